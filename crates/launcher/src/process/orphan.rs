//! A program that ends with the one that started it, even where that is killed and can't ask it to.

/// Set for a program whose stdin is a pipe that its starter holds: the end of it means the starter's.
pub(crate) const VARIABLE: &str = "FLEET_ENDS_WITH_STDIN";

/// Where the variable is set, has this process ask itself to end as soon as its stdin does.
pub(crate) fn watch() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    // Not a task: a pending read would keep the process from ending for another reason.
    let watching = std::thread::Builder::new().name("stdin".to_owned()).spawn(|| {
        // An error of reading is an end, too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end();
    });
    // Where the machine allows no further thread, the starter's own orders are left.
    drop(watching);
}

#[cfg(unix)]
fn end() {
    // A process may always send itself a signal.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}

/// There is no signal to ask with.
#[cfg(not(unix))]
fn end() {
    std::process::exit(1);
}
