//! What this process needs of its machine.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// This process, as the system sees it. What the system does not report is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct OwnProcess {
    pub(super) cpu_s: f64,
    pub(super) rss_bytes: u64,
    pub(super) open_files: u64,
    pub(super) max_files: u64,
    /// When it was started, in seconds since 1970.
    pub(super) started_s: u64,
}

impl OwnProcess {
    /// As it is now. Reads a few small files, or whatever the system has instead.
    pub(super) fn now() -> Self {
        let own = Pid::from_u32(std::process::id());
        let mut system = System::new();
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, what.without_tasks());
        let count = |files: Option<usize>| files.and_then(|files| u64::try_from(files).ok()).unwrap_or(0);
        system.process(own).map_or_else(Self::default, |process| Self {
            cpu_s: std::time::Duration::from_millis(process.accumulated_cpu_time()).as_secs_f64(),
            rss_bytes: process.memory(),
            open_files: count(process.open_files()),
            max_files: count(process.open_files_limit()),
            started_s: process.start_time(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself() {
        let own = OwnProcess::now();
        assert!(own.rss_bytes > 1 << 20 && own.open_files > 2, "{own:?}");
        assert!(own.max_files >= own.open_files && own.started_s > 0, "{own:?}");
    }
}
