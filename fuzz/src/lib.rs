//! What must hold whatever comes from outside. See the README.
//!
//! [`laws`] says it, one function per fuzz target; [`bounded`] adds that it may cost only so much memory. The laws are
//! also compiled into a test of the `launcher` crate, which tries them on the kept corpus with every `cargo test`.

#![forbid(unsafe_code)]

pub mod laws;

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Runs a law, which must not take more than so many bytes at any moment.
///
/// # Panics
///
/// It does.
pub fn bounded(limit: usize, law: impl FnOnce()) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    law();
    let used = MEMORY.peak_usage().saturating_sub(before);
    assert!(used <= limit, "{used} bytes were in use at once, more than {limit}");
}

/// Makes `law` the target of a fuzzer that may use `limit` bytes of memory, beside what the input itself takes.
#[macro_export]
macro_rules! target {
    ($law:path, $limit:expr) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::bounded($limit, || $law(data)));
    };
}
