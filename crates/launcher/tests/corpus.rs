//! The laws of the fuzz targets, on the corpus that is kept of them: what was once found stays found, without a fuzzer.

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/src/laws/mod.rs"]
pub mod laws;

#[test]
fn every_law_holds_for_its_kept_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, law) in laws::ALL {
        let mut inputs: Vec<_> = fs::read_dir(corpus.join(target))
            .unwrap_or_else(|error| panic!("{target} has no corpus: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!(inputs.len() >= 5, "{target} has only {} inputs", inputs.len());
        for input in inputs {
            // The name of the last input is what the test's output shows of a broken law.
            eprintln!("{}", input.display());
            law(&fs::read(&input).unwrap());
        }
    }
}
