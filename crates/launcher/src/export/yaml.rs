//! YAML for people: block style, with comments at the values that need a reason.

use serde::Serialize;
use serde_saphyr::{CommentPosition, ser_options, to_string_with_options};

/// A value with the reason for it behind it.
pub(super) type Commented<T> = serde_saphyr::Commented<T>;

/// A value with a comment, which has to fit on its line.
pub(super) fn commented<T>(value: T, comment: &str) -> Commented<T> {
    serde_saphyr::Commented(value, comment.to_owned())
}

/// One document.
///
/// # Errors
///
/// The value can't be put into YAML, which is a mistake in its type.
pub(super) fn document(value: &impl Serialize) -> anyhow::Result<String> {
    let options = ser_options! {
        comment_position: CommentPosition::Inline,
        compact_list_indent: false,
        // A command line or a label is one line.
        prefer_block_scalars: false,
    };
    Ok(to_string_with_options(value, options)?)
}
