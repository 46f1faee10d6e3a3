//! What the process needs of its machine, for its lines.

use fleet_protocol::lines::ProcessStats;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// To count tens of thousands of handles takes milliseconds, so it is done on each line of so many.
const HANDLES_EVERY: u64 = 10;

/// This process, as the system sees it.
#[derive(Debug)]
pub(crate) struct Usage {
    system: System,
    pid: Pid,
    /// What does not change, and the handles of the last count.
    stats: ProcessStats,
}

impl Usage {
    pub(crate) fn begin() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            system: System::new(),
            pid: Pid::from_u32(std::process::id()),
            stats: ProcessStats {
                host: System::host_name().unwrap_or_default(),
                cores: u32::try_from(cores).unwrap_or(u32::MAX),
                ..ProcessStats::default()
            },
        }
    }

    /// The usage now, for the line of this number. What the system does not report is 0.
    pub(crate) fn sample(&mut self, seq: u64) -> ProcessStats {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, what.without_tasks());
        if let Some(process) = self.system.process(self.pid) {
            self.stats.cpu_s = std::time::Duration::from_millis(process.accumulated_cpu_time()).as_secs_f64();
            self.stats.rss_bytes = process.memory();
            if seq.is_multiple_of(HANDLES_EVERY) {
                let count = |handles: Option<usize>| handles.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
                self.stats.nofile_used = count(process.open_files());
                self.stats.nofile_limit = count(process.open_files_limit());
            }
        }
        self.stats.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_cpu_its_memory_and_its_handles() {
        let mut usage = Usage::begin();
        let before = usage.sample(0);
        let file = tempfile::tempfile().unwrap();
        let mut work = vec![0_u64; 1 << 20];
        let after = (1..1_000).find_map(|_| {
            for word in &mut work {
                *word = word.wrapping_mul(31).wrapping_add(7);
            }
            Some(usage.sample(10)).filter(|after| after.cpu_s > before.cpu_s)
        });
        drop((file, work));
        let after = after.expect("to work costs CPU time");
        assert!(before.cores > 0 && !before.host.is_empty(), "{before:?}");
        assert!(before.rss_bytes > 1 << 20 && before.nofile_used > 2, "{before:?}");
        assert!(before.nofile_limit >= before.nofile_used, "{before:?}");
        // Handles are counted on each tenth line only. Other tests open and close theirs meanwhile.
        assert_eq!(usage.sample(11).nofile_used, after.nofile_used);
    }
}
