//! Text in lines that fit a terminal.

/// As wide as the narrowest terminal that is in use.
pub(super) const WIDTH: usize = 80;

/// The words of `text`, in lines of at most `WIDTH`. `first` begins the first line and `rest` all others; both count. A word
/// that is too long for a line, such as a link, has one for itself.
pub(super) fn wrap(text: &str, first: &str, rest: &str) -> String {
    let (mut lines, mut line) = (String::new(), first.to_owned());
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && columns(&line) + 1 + columns(word) > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            rest.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines + line.trim_end() + "\n"
}

/// A line as it is where it fits, blanks and all; otherwise in several, which begin with `rest`. `first` begins the first.
pub(super) fn fold(line: &str, first: &str, rest: &str) -> String {
    let (mut folded, mut line, mut begin) = (String::new(), format!("{first}{line}"), first.len());
    while columns(&line) > WIDTH {
        let blanks = || {
            line.char_indices()
                .enumerate()
                .filter(|(_, (at, c))| *c == ' ' && *at > begin)
        };
        let within = blanks().take_while(|(column, _)| *column <= WIDTH).last();
        let Some((_, (at, _))) = within.or_else(|| blanks().next()) else {
            break;
        };
        folded = folded + line[..at].trim_end() + "\n";
        line = format!("{rest}{}", line[at..].trim_start());
        begin = rest.len();
    }
    folded + line.trim_end() + "\n"
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_and_lines_within_the_width() {
        let words = "abcdefghi ".repeat(12) + &"l".repeat(100) + " end";
        let wrapped = wrap(&words, "- ", "  ");
        let lines: Vec<_> = wrapped.lines().collect();
        assert_eq!(lines[0].len(), 2 + 7 * 10 - 1);
        assert!(
            lines[0].starts_with("- abc") && lines[1].starts_with("  abc"),
            "{wrapped}"
        );
        assert_eq!(lines[2], "  ".to_owned() + &"l".repeat(100));
        assert_eq!(lines[3], "  end");
        assert_eq!(wrap("", "> ", "  "), ">\n");
    }

    #[test]
    fn a_line_that_fits_keeps_its_blanks_and_another_is_folded_between_words() {
        assert_eq!(fold("a   =   1  ", "| ", "|   "), "| a   =   1\n");
        let line = format!("[   1.1s] {}", "12345678 ".repeat(18));
        let folded = fold(&line, "| ", "|   ");
        let lines: Vec<_> = folded.lines().collect();
        assert!(lines[0].starts_with("| [   1.1s] 12345678"), "{folded}");
        assert!(
            lines.len() == 3 && lines[1..].iter().all(|line| line.starts_with("|   1234")),
            "{folded}"
        );
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{folded}");
        let long = "ü".repeat(100);
        assert_eq!(fold(&long, "| ", "|   "), format!("| {long}\n"));
        assert_eq!(fold(&format!("{long} {long}"), "", " "), format!("{long}\n {long}\n"));
    }
}
