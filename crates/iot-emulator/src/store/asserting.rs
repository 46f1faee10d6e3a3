//! Calls into code that asserts what only a damaged file can break.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is caught and answered, and therefore not to be printed.
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What `call` returns, or `None` if it panics. The panic's text, which speaks of the inside of a library, is not printed:
/// the caller has a better one.
pub(super) fn try_to<T>(call: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_EXPECTED.get() {
                usual(panic);
            }
        }));
    });
    IS_EXPECTED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    IS_EXPECTED.set(false);
    outcome.ok()
}
