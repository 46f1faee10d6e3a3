//! What a check has found, and how it is shown.

use std::fmt::Write as _;

use fleet_report::words::counted;
use iot_protocol::shown;
use serde::Serialize;

/// What a finding is about. They are shown in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Area {
    Machine,
    Network,
    Token,
    Certificates,
    Quotas,
}

/// What a finding means for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is as it should be.
    Good,
    /// A run works, and a person should read this before.
    Warning,
    /// A run can't work.
    Broken,
    /// It can't be found out from here.
    Unknown,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) area: Area,
    /// What was checked, such as `file handles` or a host.
    pub(crate) subject: String,
    pub(crate) verdict: Verdict,
    /// What was found, in words.
    pub(crate) words: String,
    /// What to do; none where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(crate) fn new(area: Area, subject: impl Into<String>, verdict: Verdict, words: impl Into<String>) -> Self {
        Self {
            area,
            subject: subject.into(),
            verdict,
            words: words.into(),
            remedy: None,
        }
    }

    pub(crate) fn good(area: Area, subject: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(area, subject, Verdict::Good, words)
    }

    /// What an error of the checks before a run reports, whose hint is the remedy.
    pub(crate) fn of_error(
        area: Area,
        subject: impl Into<String>,
        verdict: Verdict,
        error: &impl std::fmt::Display,
    ) -> Self {
        // `device_sim::hint` puts each hint on a line of its own behind the error.
        let text = format!("{error:#}");
        let mut parts = text.split("\nhint: ");
        let words = parts.next().unwrap_or_default().to_owned();
        let hints: Vec<_> = parts.collect();
        Self {
            remedy: (!hints.is_empty()).then(|| hints.join("; ")),
            ..Self::new(area, subject, verdict, words)
        }
    }

    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }
}

/// All findings, and what they come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    schema_version: u32,
    /// Whether nothing was found that keeps a run from working.
    can_run: bool,
    findings: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.area);
        Self {
            schema_version: 1,
            can_run: findings.iter().all(|finding| finding.verdict != Verdict::Broken),
            findings,
        }
    }

    pub(crate) fn can_run(&self) -> bool {
        self.can_run
    }

    /// For a person: a line for each finding, and its remedy below.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut area = None;
        for finding in &self.findings {
            // Writing into a string can't fail.
            if area != Some(finding.area) {
                let gap = if area.is_some() { "\n" } else { "" };
                let _ = writeln!(text, "{gap}{}", heading(finding.area));
                area = Some(finding.area);
            }
            let words = indented(&finding.words);
            let _ = writeln!(
                text,
                "  {:<7} {}: {words}",
                mark(finding.verdict),
                shown::text(&finding.subject)
            );
            if let Some(remedy) = &finding.remedy {
                let _ = writeln!(text, "          hint: {}", indented(remedy));
            }
        }
        let of = |verdict| {
            self.findings
                .iter()
                .filter(|finding| finding.verdict == verdict)
                .count()
        };
        let (broken, warnings) = (of(Verdict::Broken), of(Verdict::Warning));
        let warnings = counted(warnings, "warning", "warnings");
        let _ = match broken {
            0 => writeln!(text, "\nnothing keeps a run from working; {warnings}"),
            broken => writeln!(
                text,
                "\na run can't work: {}; {warnings}",
                counted(broken, "failure", "failures")
            ),
        };
        text
    }
}

/// Text from outside, without anything that a terminal obeys; further lines below the first.
fn indented(text: &str) -> String {
    shown::lines(text).to_string().replace('\n', "\n          ")
}

const fn heading(area: Area) -> &'static str {
    match area {
        Area::Machine => "This machine",
        Area::Network => "Network",
        Area::Token => "API token",
        Area::Certificates => "Certificates",
        Area::Quotas => "Limits",
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "ok",
        Verdict::Warning => "warning",
        Verdict::Broken => "failed",
        Verdict::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use device_sim::hint::Hint;

    use super::*;

    #[test]
    fn findings_are_shown_by_area_with_their_remedies() {
        let error = anyhow!("too few file handles").hint("raise it").hint("or use less");
        let findings = Findings::new(vec![
            Finding::new(Area::Quotas, "registrations", Verdict::Warning, "120 %").remedy("slower"),
            Finding::of_error(Area::Machine, "file handles", Verdict::Broken, &error),
            Finding::good(Area::Machine, "clock", "2026-11-27T18:00:00Z"),
        ]);
        assert!(!findings.can_run());
        insta::assert_snapshot!(findings.text(), @r"
        This machine
          failed  file handles: too few file handles
                  hint: raise it; or use less
          ok      clock: 2026-11-27T18:00:00Z

        Limits
          warning registrations: 120 %
                  hint: slower

        a run can't work: 1 failure; 1 warning
        ");
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["can_run"], false);
        assert_eq!(json["findings"][0]["remedy"], "raise it; or use less");
        assert_eq!(json["findings"][2]["verdict"], "warning");
    }

    #[test]
    fn what_comes_from_outside_can_not_forge_a_line() {
        let finding = Finding::good(Area::Network, "dps\n  ok      forged", "\u{1b}[2Jgone");
        let text = Findings::new(vec![finding]).text();
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("  ok      forged")), "{text}");
    }
}
