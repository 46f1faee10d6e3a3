//! The machine on which a run is conducted, for its report.

use fleet_report::report::Environment;
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// This machine.
pub(crate) fn here() -> Environment {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let limit = system
        .cgroup_limits()
        .map(|limits| limits.total_memory)
        .filter(|limit| *limit > 0);
    let own = Pid::from_u32(std::process::id());
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, ProcessRefreshKind::nothing());
    let handles = system.process(own).and_then(sysinfo::Process::open_files_limit);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Environment {
        os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned()),
        cores: u32::try_from(cores).unwrap_or(u32::MAX),
        memory_bytes: limit.map_or(system.total_memory(), |limit| limit.min(system.total_memory())),
        nofile: handles.and_then(|limit| u64::try_from(limit).ok()).unwrap_or(0),
        // The report has them of the processes' figures.
        hosts: Vec::new(),
    }
}
