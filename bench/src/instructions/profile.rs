//! What callgrind writes: costs by file, function and object
//! ([the format](https://valgrind.org/docs/manual/cl-format.html)).

use std::collections::HashMap;

use anyhow::{Context, ensure};

/// Instructions by where they are written.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) places: Vec<(Place, u64)>,
}

/// Where an instruction comes from. The file is that of the innermost inlined function, the function the one that is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) object: String,
    pub(crate) file: String,
    pub(crate) function: String,
}

impl Profile {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        ensure!(
            text.contains("\nevents: Ir\n"),
            "this is no profile of callgrind's instructions"
        );
        let mut names = Names::default();
        let mut place = Place::default();
        let mut costs: HashMap<Place, u64> = HashMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "ob" => place.object = names.get(Kind::Object, value)?,
                    "fl" | "fi" | "fe" => place.file = names.get(Kind::File, value)?,
                    "fn" => place.function = names.get(Kind::Function, value)?,
                    // Named for the first time, maybe.
                    "cob" => drop(names.get(Kind::Object, value)?),
                    "cfl" | "cfi" => drop(names.get(Kind::File, value)?),
                    "cfn" => drop(names.get(Kind::Function, value)?),
                    // The next line has what the callee costs, which is counted where it is spent.
                    "calls" => drop(lines.next()),
                    _ => {}
                }
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let cost = line.split_ascii_whitespace().nth(1).unwrap_or("0");
                let cost: u64 = cost.parse().with_context(|| format!("`{line}` is no cost"))?;
                *costs.entry(place.clone()).or_default() += cost;
            }
        }
        Ok(Self {
            places: costs.into_iter().collect(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Object,
    File,
    Function,
}

/// Names that are written once, with a number, and later only as the number.
#[derive(Debug, Default)]
struct Names(HashMap<(Kind, u32), String>);

impl Names {
    fn get(&mut self, kind: Kind, value: &str) -> anyhow::Result<String> {
        let Some(rest) = value.strip_prefix('(') else {
            return Ok(value.to_owned());
        };
        let (number, name) = rest.split_once(')').with_context(|| format!("`{value}` is no name"))?;
        let number = number.parse().with_context(|| format!("`{value}` has no number"))?;
        let name = name.trim_start();
        if !name.is_empty() {
            self.0.insert((kind, number), name.to_owned());
        }
        let known = self.0.get(&(kind, number));
        Ok(known.with_context(|| format!("`{value}` was never named"))?.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "# callgrind format
positions: line
events: Ir

ob=(1) /bin/fleet
fl=(1) /src/a.rs
fn=(1) a::work
16 400
fi=(2) /rustc/core.rs
+3 20
cfi=(3) /src/b.rs
cfn=(2) b::help
calls=3 20
* 300
fe=(1)
21 5

fl=(3)
fn=(2)
20 300

totals: 725
";

    #[test]
    fn a_cost_is_counted_where_it_is_spent_and_not_where_it_was_called() {
        let profile = Profile::parse(PROFILE).unwrap();
        let cost = |file: &str, function: &str| {
            let found = profile
                .places
                .iter()
                .find(|(place, _)| place.file == file && place.function == function);
            found.map(|(_, cost)| *cost)
        };
        assert_eq!(cost("/src/a.rs", "a::work"), Some(405));
        assert_eq!(cost("/rustc/core.rs", "a::work"), Some(20));
        assert_eq!(cost("/src/b.rs", "b::help"), Some(300));
        assert_eq!(profile.places.iter().map(|(_, cost)| cost).sum::<u64>(), 725);
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in ["", "hello", "\nevents: Ir\n\nfn=(1)\n", "\nevents: Ir\n\n12 many\n"] {
            assert!(Profile::parse(text).is_err(), "{text:?}");
        }
    }
}
