//! A page of documentation, taken apart into what a reader copies.
//!
//! The first word behind the three ticks is the language. What stands behind it is for this test, and no page shows it:
//!
//! | behind the language | the block |
//! | --- | --- |
//! | nothing | is run, and what it prints is compared |
//! | `not run: REASON` | is only read: its commands of `fleet` have to be commands |
//! | `with: WORDS` | is run, and each `fleet run` in it gets these words besides, and is waited for |
//! | `needs: PROGRAM` | is run where this program is installed |
//! | `as: WORDS` | of TOML: the file that `fleet plan` accepts with these words and its path |
//!
//! `console` has commands after `$ `, which may go on after a `\` at the end of a line, and below each what it prints, with
//! `…` for what differs; `^C` ends a command that goes on. `sh` is one script of bash. `toml` is written into a file where its
//! first line is `# FILE`, or added to it. A comment that begins with `tried after:` holds what a reader has done elsewhere.

/// A fenced block.
#[derive(Debug, PartialEq)]
pub(super) struct Fence<'a> {
    /// The number of its first line.
    pub(super) line: usize,
    pub(super) language: &'a str,
    pub(super) note: Note<'a>,
    pub(super) body: Vec<&'a str>,
}

/// What stands behind the language.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Note<'a> {
    Nothing,
    NotRun(&'a str),
    With(&'a str),
    Needs(&'a str),
    As(&'a str),
}

/// A part of the page that a reader copies.
#[derive(Debug, PartialEq)]
pub(super) enum Step<'a> {
    Command {
        line: String,
        prints: Vec<&'a str>,
        /// More words for `fleet run`, which is waited for then.
        with: Option<&'a str>,
    },
    Script(Vec<&'a str>),
    File {
        name: &'a str,
        text: Vec<&'a str>,
    },
}

const BEFORE: &str = "<!-- tried after:";

/// The blocks of a page.
pub(super) fn fences(page: &str) -> Vec<Fence<'_>> {
    let mut fences = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let (language, note, end) = match line.trim_start().strip_prefix("```") {
            Some(info) => {
                let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
                (language, note(at, rest), "```")
            }
            None if line == BEFORE => ("console", Note::Nothing, "-->"),
            None => continue,
        };
        assert!(!language.is_empty(), "line {}: a block without a language", at + 1);
        let within = lines.by_ref().map(|(_, line)| line);
        let body = within.take_while(|line| line.trim_start() != end);
        fences.push(Fence {
            line: at + 1,
            language,
            note,
            body: body.map(|line| line.get(indent..).unwrap_or_default()).collect(),
        });
    }
    fences
}

fn note(at: usize, words: &str) -> Note<'_> {
    let behind = |word| words.strip_prefix(word);
    if words.is_empty() {
        Note::Nothing
    } else if let Some(why) = behind("not run: ") {
        Note::NotRun(why)
    } else if let Some(words) = behind("with: ") {
        Note::With(words)
    } else if let Some(program) = behind("needs: ") {
        Note::Needs(program)
    } else if let Some(name) = behind("as: ") {
        Note::As(name)
    } else {
        panic!("line {}: `{words}` is no note", at + 1)
    }
}

/// What a reader does, in its order.
pub(super) fn steps<'a>(fences: &[Fence<'a>], has: impl Fn(&str) -> bool) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for fence in fences {
        match (fence.language, fence.note) {
            (_, Note::NotRun(_) | Note::As(_)) => {}
            (_, Note::Needs(program)) if !has(program) => {}
            ("console", note) => commands(fence, note, &mut steps),
            ("sh", _) => steps.push(Step::Script(fence.body.clone())),
            ("toml", _) => {
                if let Some(name) = fence.body[0].strip_prefix("# ").filter(|name| name.contains(".toml")) {
                    let name = name.split(',').next().unwrap_or(name);
                    let text = fence.body.clone();
                    steps.push(Step::File { name, text });
                }
            }
            _ => {}
        }
    }
    steps
}

fn commands<'a>(fence: &Fence<'a>, note: Note<'a>, steps: &mut Vec<Step<'a>>) {
    let with = match note {
        Note::With(words) => Some(words),
        _ => None,
    };
    let mut goes_on = false;
    for line in &fence.body {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                let (line, prints) = (command.to_owned(), Vec::new());
                steps.push(Step::Command { line, prints, with });
            }
            (None, Some(Step::Command { line: command, .. })) if goes_on => {
                command.push('\n');
                command.push_str(line);
            }
            (None, Some(Step::Command { prints, .. })) => prints.push(line),
            (None, _) => panic!("line {}: `{line}` belongs to no command", fence.line),
        }
        goes_on = line.ends_with('\\');
    }
}

/// The commands of a block, each in one line: of what is run, and of what is not.
pub(super) fn command_lines(fence: &Fence<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in &fence.body {
        let command = match fence.language {
            "console" => line.strip_prefix("$ "),
            _ => Some(*line),
        };
        match (goes_on, command, found.last_mut()) {
            (true, _, Some(last)) => {
                last.pop();
                last.push_str(line.trim_start());
            }
            (_, Some(command), _) => found.push(command.to_owned()),
            _ => continue,
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// Whether a line is the one of the page: what stands between its `…` comes in this order.
pub(super) fn fits(line: &str, expected: &str) -> bool {
    let mut rest = line;
    for part in expected.split('…') {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[test]
fn a_page_is_taken_apart_and_what_it_prints_is_compared() {
    let page = "a\n```console\n$ fleet x \\\n    -y\nprinted …\n^C\n$ z\n```\n```toml\n# f.toml, at its end\na = 1\n```\n\
                1. b\n   ```sh not run: it takes root\n   sudo x\n   ```\n<!-- tried after:\n$ w\n-->\n";
    let command = |line: &str, prints| Step::Command {
        line: line.to_owned(),
        prints,
        with: None,
    };
    let (name, text) = ("f.toml", vec!["# f.toml, at its end", "a = 1"]);
    let fences = fences(page);
    assert_eq!((fences[2].line, &fences[2].body), (14, &vec!["sudo x"]));
    assert_eq!(
        steps(&fences, |_| true),
        [
            command("fleet x \\\n    -y", vec!["printed …", "^C"]),
            command("z", vec![]),
            Step::File { name, text },
            command("w", vec![]),
        ]
    );
    assert_eq!(command_lines(&fences[0]), ["fleet x -y", "z"]);
    assert!(fits("2026 INFO online x", "… INFO online …") && fits("abc", "abc"));
    assert!(!fits("2026 INFO offline x", "… INFO online …") && !fits("b a", "a…b"));
}
