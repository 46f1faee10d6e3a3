use serde_json::json;

use super::*;

fn template(id: &str, name: &str) -> Value {
    json!({"@id": id, "@type": ["ModelDefinition", "DeviceModel"], "displayName": name, "capabilityModel": {
        "@context": "dtmi:dtdl:context;2", "@id": format!("{id}0"), "@type": "Interface",
        "contents": [{"@type": "Telemetry", "name": "a", "schema": "double"}]}})
}

/// Two pumps of one name, a meter, and three of which no device can be simulated.
fn catalog() -> Catalog {
    let mut edge = template("dtmi:c:edge;1", "Edge");
    edge["@type"] = json!(["ModelDefinition", "EdgeModel"]);
    let mut wrong = template("dtmi:c:wrong;1", "Wrong");
    wrong["capabilityModel"]["contents"][0]["schema"] = json!("dobule");
    wrong["capabilityModel"]["contents"][0]["name"] = json!("1");
    Catalog::of(&[
        template("dtmi:c:pump;1", "Pump"),
        template("dtmi:c:pump;2", "Pump"),
        template("dtmi:c:meter;1", "Water meter"),
        edge,
        wrong,
        json!("no template"),
    ])
}

fn chosen(words: &[&str]) -> Result<Vec<String>, Vec<String>> {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    let catalog = catalog();
    let chosen = catalog.choose(&words)?;
    Ok(chosen.into_iter().map(|entry| entry.id.clone()).collect())
}

#[test]
fn a_template_is_found_by_its_ids_and_by_a_name_that_one_has() {
    let all = ["dtmi:c:pump;1", "dtmi:c:pump;20", "water METER", "dtmi:c:meter;1"];
    let ids = ["dtmi:c:pump;1", "dtmi:c:pump;2", "dtmi:c:meter;1"];
    assert_eq!(chosen(&all).unwrap(), ids);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let wrong = chosen(&["Pump", "dtmi:c:pump;1", "Water metre", "Edge", "Wrong", "xyz", ""]).unwrap_err();
    insta::assert_snapshot!(wrong.join("\n"));
}

#[test]
fn what_there_is_is_listed_with_what_is_left_out_and_why() {
    let catalog = catalog();
    insta::assert_snapshot!(format!("{}\n\n{}", catalog.words(), catalog.list()));
    assert_eq!(catalog.nothing(), None);
    let many: Vec<_> = (0..1_000)
        .map(|n| template(&format!("dtmi:c:t;{}", n + 1), "T"))
        .collect();
    assert!(Catalog::of(&many).list().ends_with("\n  and 970 more"));
    assert!(Catalog::of(&[]).nothing().is_some());
    let words = Catalog::of(&[json!({})]).nothing().unwrap();
    assert!(words.contains("a manifest can't name it"), "{words}");
}

#[test]
fn an_answer_has_numbers_names_and_ids() {
    let catalog = catalog();
    let ids = |answer: &str| {
        let picked = catalog.picked(answer)?;
        Ok::<_, String>(picked.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>())
    };
    assert_eq!(ids("all").unwrap().len(), 3);
    assert_eq!(ids("3, 1,3,").unwrap(), ["dtmi:c:meter;1", "dtmi:c:pump;1"]);
    assert_eq!(
        ids("water meter,dtmi:c:pump;2").unwrap(),
        ["dtmi:c:meter;1", "dtmi:c:pump;2"]
    );
    for wrong in ["", ",", "0", "4", "Pump", "-1"] {
        assert!(ids(wrong).is_err(), "{wrong}");
    }
}
