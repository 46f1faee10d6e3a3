//! Text for a terminal that is narrower than its lines.

/// Puts what does not fit into `width` columns on lines of its own, below the column in which the line's own text begins,
/// which is behind its label where it has one. A word that is longer than a line stays whole.
#[must_use]
pub fn fold(text: &str, width: usize) -> String {
    let mut folded = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        fold_line(line, width, &mut folded);
    }
    folded
}

fn fold_line(line: &str, width: usize, folded: &mut String) {
    let indent = hanging(line.trim_end(), width);
    let mut rest = line;
    // A line that goes on has its indent already, and there is nothing to break in it.
    let mut taken = 0;
    while let Some(end) = break_at(rest, width.saturating_sub(taken), indent - taken.min(indent)) {
        folded.push_str(rest[..end].trim_end());
        folded.push('\n');
        folded.extend(std::iter::repeat_n(' ', indent));
        rest = rest[end..].trim_start_matches(' ');
        taken = indent;
    }
    folded.push_str(rest);
}

/// The column in which the text of a line begins: behind the first gap of several blanks, unless that leaves too little
/// room; otherwise two columns further in than the line.
fn hanging(line: &str, width: usize) -> usize {
    let begin = line.chars().take_while(|c| *c == ' ').count();
    let chars: Vec<char> = line.chars().collect();
    let gap = (begin..chars.len()).find(|at| chars[*at..].starts_with(&[' ', ' ']));
    let behind = gap.and_then(|gap| (gap..chars.len()).find(|at| chars[*at] != ' '));
    let most = width / 2;
    behind.filter(|behind| *behind <= most).unwrap_or((begin + 2).min(most))
}

/// Where a line that is wider than `width` is broken: at its last blank that leaves something on both sides.
fn break_at(line: &str, width: usize, after: usize) -> Option<usize> {
    if line.trim_end().chars().count() <= width {
        return None;
    }
    let blank = |(column, (at, c)): (usize, (usize, char))| (c == ' ' && column > after).then_some((column, at));
    let blanks = line.trim_end().char_indices().enumerate().filter_map(blank);
    let mut best = None;
    for (column, at) in blanks {
        if column > width && best.is_some() {
            break;
        }
        best = Some(at);
        if column > width {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_fit_goes_on_below_where_the_text_began() {
        for (line, folded) in [
            ("short\n", "short\n"),
            ("", ""),
            ("one two three four five\n", "one two three four\n  five\n"),
            (
                "  name   one two three four",
                "  name   one two\n         three\n         four",
            ),
            ("  onewordthatislongerthanaline\n", "  onewordthatislongerthanaline\n"),
            (
                "a onewordthatislongerthanaline b\n",
                "a onewordthatislongerthanaline\n  b\n",
            ),
        ] {
            assert_eq!(fold(line, 18), folded, "{line:?}");
        }
    }

    proptest! {
        /// Nothing is lost, and a line is too wide only where a single word is.
        #[test]
        fn every_word_is_kept_and_lines_fit(text in "[a-z :\n]{0,200}", width in 8_usize..60) {
            let folded = fold(&text, width);
            prop_assert_eq!(
                folded.split_whitespace().collect::<Vec<_>>(),
                text.split_whitespace().collect::<Vec<_>>()
            );
            for line in folded.lines().filter(|line| line.trim_end().chars().count() > width) {
                // The label, and a word that has no place to be broken.
                prop_assert!(line.split_whitespace().any(|word| word.chars().count() * 2 >= width), "{line:?}");
            }
        }
    }
}
