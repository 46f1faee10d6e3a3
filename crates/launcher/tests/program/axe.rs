//! axe-core, which judges whether a page can be used by people who do not see it, or not well, or have no mouse.

use std::path::PathBuf;

use testing::skip;

use crate::browser::Browser;

/// As `scripts/check` has it from npm.
const VERSION: &str = "4.14.1";

/// Violations of WCAG 2.2 (levels A and AA) and of good practice, as `rule: first element`. Nothing where axe-core is
/// missing, unless it must not be.
pub(crate) fn violations(browser: &Browser) -> Vec<String> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("..");
    let file = target.join(format!("axe-core-{VERSION}/package/axe.min.js"));
    let Ok(axe) = std::fs::read_to_string(&file) else {
        skip(&format!(
            "there is no {}, which scripts/check has from npm",
            file.display()
        ));
        return Vec::new();
    };
    browser.run(&axe);
    let found = browser.promised(
        "axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => ({
            rules: passes.length,
            found: violations.map(({ id, nodes }) => `${id}: ${nodes[0].target} (${nodes.length})`),
        }))",
    );
    assert!(
        found["rules"].as_u64() > Some(10),
        "axe-core has looked at next to nothing: {found}"
    );
    let found = found["found"].as_array().unwrap().iter();
    found.map(|one| one.as_str().unwrap().to_owned()).collect()
}
