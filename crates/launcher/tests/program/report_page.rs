//! `report.html` in a real browser: on a desk, on a phone and on paper, by day and by night.

use crate::axe::violations;
use crate::browser::Browser;
use crate::support::Fleet;

const MANIFEST: &str = r#"
[fleet]
name = "report"
seed = 7

[target]
kind = "emulator"
quota = "hub-s1"
faults = "outage"

[[group]]
id = "thermostats"
devices = { prefix = "thermo-", count = 20, first = 1, width = 4 }
telemetry = { interval = "1s", jitter = 0.1 }

[[individual]]
device_id = "lab-thermostat"
telemetry = { interval = "1s", jitter = 0.1 }

[load]
register_rate = "100/s"
connect_rate = "100/s"
stages = ["100%@1s", "100%@4s", "50%@1s"]

[thresholds]
publish_duration = ["p(95) < 1us", "p(99) < 1m"]
command_duration = ["p(95) < 1s"]
"#;

/// Words at a chart that lie on each other.
const OVERLAPS: &str = r"[...document.querySelectorAll('.plot')].flatMap((plot) => {
    const words = [...plot.querySelectorAll('span')].map((span) => [span.textContent, span.getBoundingClientRect()]);
    const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > .5
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > .5;
    return words.flatMap(([text, a], index) => words.slice(index + 1)
        .filter(([, b]) => a.width && b.width && meet(a, b)).map(([other]) => `${text} and ${other}`));
})";

/// Words whose contrast with what is behind them is less than WCAG 2.2 asks of text (level AA, 4.5 : 1).
pub(crate) const FAINT: &str = r"(() => {
    const numbers = (color) => color.match(/[\d.]+/g).map(Number);
    const light = (color) => numbers(color).slice(0, 3)
        .map((part) => part / 255)
        .map((part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
        .reduce((sum, part, index) => sum + part * [.2126, .7152, .0722][index], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (numbers(color)[3] !== 0) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = new Set();
    while (walk.nextNode()) {
        const element = walk.currentNode.parentElement;
        if (!walk.currentNode.textContent.trim() || element.closest('.unseen')) continue;
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
        const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (contrast < 4.5) faint.add(`${contrast.toFixed(2)}: ${walk.currentNode.textContent.trim().slice(0, 40)}`);
    }
    return [...faint];
})()";

/// Headings that skip a level.
pub(crate) const SKIPPED: &str = r"[...document.querySelectorAll('h1, h2, h3, h4')]
    .filter((heading, index, all) => heading.tagName[1] > (index ? +all[index - 1].tagName[1] : 0) + 1)
    .map((heading) => heading.textContent)";

/// How wide the content is. A phone that has to scroll to the side makes its window as wide, so that is no measure.
pub(crate) const WIDTH: &str = "document.documentElement.scrollWidth";

#[test]
fn the_page_of_a_report_is_readable_everywhere_and_asks_for_nothing() {
    let Some(browser) = Browser::start() else { return };
    let fleet = Fleet::new(MANIFEST);
    fleet.fleet(&["run", "fleet.toml", "--report", "report"]).expect(99);
    let page = format!("file://{}", fleet.path("report/report.html").display());

    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.screen(width, 900, scheme);
        browser.go(&page);
        let list = |expression: &str| browser.value(expression).as_array().unwrap().clone();
        assert!(browser.value("document.title").as_str().unwrap().starts_with("Failed"));
        for closed in [true, false] {
            let are = format!(
                "document.querySelectorAll('details').forEach((one) => one.open = {})",
                !closed
            );
            browser.value(&are);
            assert!(
                browser.value(WIDTH).as_u64() <= Some(width.into()),
                "{width}: {}",
                browser.value(WIDTH)
            );
            assert_eq!(list(OVERLAPS), [""; 0], "{width}");
            assert_eq!(list(FAINT), [""; 0], "{width}, {scheme}");
        }
        assert_eq!(list(SKIPPED), [""; 0]);
        assert_eq!(violations(&browser), [""; 0], "{width}, {scheme}");
        assert!(list("[...document.querySelectorAll('.chart svg[aria-label] path')]").len() > 20);
        assert_eq!(
            list("performance.getEntriesByType('resource').map((entry) => entry.name)"),
            [""; 0]
        );
    }

    // A sheet of A4 between its margins.
    browser.paper(690);
    browser.go(&page);
    assert!(browser.value(WIDTH).as_u64() <= Some(690));
    assert_eq!(browser.value(OVERLAPS).as_array().unwrap().len(), 0);
    assert_eq!(
        browser.value("getComputedStyle(document.querySelector('nav')).display"),
        "none"
    );
    assert_eq!(browser.complaints(), [""; 0]);

    // What is looked for would be found.
    browser.value("document.querySelectorAll('.plot .x').forEach((one) => one.style.left = '50%')");
    browser.value("document.querySelector('.quiet').style.color = '#888'");
    for found in [OVERLAPS, FAINT] {
        assert!(!browser.value(found).as_array().unwrap().is_empty(), "{found}");
    }
}
