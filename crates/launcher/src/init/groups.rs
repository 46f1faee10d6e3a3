//! The enrollment group of each device template that was chosen: an id that is free in the application, or that of a group
//! which is ours already.

use std::path::Path;

use iot_protocol::id::MAX_COMMON_NAME;
use provisioning::central::schema::response::{EnrollmentGroup, GroupAttestation};
use provisioning::certificate::inspect::CertificateFacts;
use provisioning::certificate::load;
use provisioning::identities::{GroupFolder, Issuer};

use super::answers::{GroupAnswer, TemplateAnswer};
use super::catalog::Entry;

/// What a template's name gives to an id at most: `-`, a number and the number of a device have to fit behind both.
const LONGEST_PART: usize = (MAX_COMMON_NAME - 16) / 2;

/// Groups as they are to be, and what a person should know of them.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) groups: Vec<GroupAnswer>,
    pub(super) notes: Vec<String>,
}

/// A group of `count` devices for each template. `existing` are the groups of the application, `certs` the folder in which the
/// fleet's certificates will be.
pub(super) fn placed(
    fleet: &str,
    templates: &[&Entry],
    count: u32,
    existing: &[EnrollmentGroup],
    certs: &Path,
) -> Placed {
    let mut placed = Placed {
        groups: Vec::new(),
        notes: Vec::new(),
    };
    for template in templates {
        let base = id(fleet, template);
        let mut in_use = false;
        let numbered = (2..).map(|number: u32| format!("{base}-{number}"));
        for id in std::iter::once(base.clone()).chain(numbered) {
            // DPS takes ids for the same that differ in case only.
            if id == "individual" || placed.groups.iter().any(|group| group.id == id) {
                continue;
            }
            match existing.iter().find(|group| group.id.eq_ignore_ascii_case(&id)) {
                Some(group) if group.id != id || !is_ours(group, certs) => {
                    in_use = true;
                    continue;
                }
                Some(_) => placed.notes.push(format!(
                    "enrollment group {id} is there already, with the CA in `{}`: the manifest goes on with it",
                    certs.join(&id).display()
                )),
                None if in_use => placed.notes.push(format!(
                    "enrollment group {base} is in use in the application, so the group of `{}` is called {id}",
                    template.name
                )),
                None => {}
            }
            placed.groups.push(GroupAnswer {
                id,
                count,
                template: Some(TemplateAnswer {
                    id: template.id.clone(),
                    name: template.name.clone(),
                }),
            });
            break;
        }
    }
    placed
}

/// The fleet's name and the template's, as an id may be written.
fn id(fleet: &str, template: &Entry) -> String {
    let path = template.id.split(';').next().and_then(|path| path.rsplit(':').next());
    let name = [part(&template.name), part(path.unwrap_or_default())];
    let name = name.into_iter().find(|name| !name.is_empty());
    let parts = [part(fleet), name.unwrap_or_else(|| "devices".to_owned())];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// A name in lower-case letters, digits and single `-` between them.
fn part(name: &str) -> String {
    let mut part = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c.is_ascii_alphanumeric() {
            true => part.push(c),
            false if part.is_empty() || part.ends_with('-') => {}
            false => part.push('-'),
        }
    }
    part.truncate(LONGEST_PART);
    part.trim_end_matches('-').to_owned()
}

/// Whether the certificate of a group is that of a CA which is here. What can't be read is not ours.
fn is_ours(group: &EnrollmentGroup, certs: &Path) -> bool {
    let GroupAttestation::X509 { x509 } = &group.attestation else {
        return false;
    };
    let folder = GroupFolder::new(certs, &group.id);
    let generations = folder.ca_generations().unwrap_or_default();
    generations.into_iter().any(|generation| {
        let path = folder.ca_cert(generation, Issuer::Root);
        let certificates = load::certificates(&path).unwrap_or_default();
        certificates.iter().any(|certificate| {
            let facts = CertificateFacts::from_der(certificate, &path.to_string_lossy());
            facts.is_ok_and(|facts| x509.signing_certificates.slot_of(&facts.sha1).is_some())
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::catalog::Catalog;
    use super::*;

    fn template(id: &str, name: &str) -> Value {
        json!({"@id": id, "@type": ["ModelDefinition"], "displayName": name, "capabilityModel": {
            "@context": "dtmi:dtdl:context;2", "@id": id, "@type": "Interface", "contents": []}})
    }

    fn existing(ids: &[&str]) -> Vec<EnrollmentGroup> {
        let group = |id: &&str| json!({"id": id, "displayName": id, "attestation": {"type": "x509"}});
        let groups = ids
            .iter()
            .map(group)
            .map(|group| serde_json::from_value(group).unwrap());
        groups.collect()
    }

    fn ids(fleet: &str, templates: &[Value], groups: &[&str]) -> (Vec<String>, Vec<String>) {
        let catalog = Catalog::of(templates);
        let placed = placed(fleet, &catalog.simulated(), 1, &existing(groups), Path::new("nowhere"));
        for group in &placed.groups {
            let again: GroupAnswer = format!("{}=1000000", group.id).parse().unwrap();
            assert_eq!(again.id, group.id);
        }
        (placed.groups.into_iter().map(|group| group.id).collect(), placed.notes)
    }

    #[test]
    fn ids_are_made_of_names_and_are_free() {
        let templates = [
            template("dtmi:contoso:pump;1", "Pump (Größe 2)"),
            template("dtmi:contoso:pump;2", "pump  gr e 2"),
            template("dtmi:contoso:meter;1", "水表"),
        ];
        let (found, notes) = ids("my_lab", &templates, &[]);
        assert_eq!(found, ["my-lab-pump-gr-e-2", "my-lab-pump-gr-e-2-2", "my-lab-meter"]);
        assert!(notes.is_empty(), "{notes:?}");
        let (found, notes) = ids("lab", &templates[2..], &["LAB-Meter", "lab-meter-2", "other"]);
        assert_eq!(found, ["lab-meter-3"]);
        assert_eq!(
            notes,
            ["enrollment group lab-meter is in use in the application, so the group of `水表` is called lab-meter-3"]
        );
    }

    #[test]
    fn no_name_makes_an_id_that_devices_can_not_have() {
        let long = "x".repeat(500);
        let names = [long.as_str(), "---", "individual", "a-", "\u{7f}\n"];
        for fleet in [long.get(..64).unwrap(), "_", "-a-", "f"] {
            let templates: Vec<_> = names.iter().map(|name| template("dtmi:c:individual;1", name)).collect();
            let (found, _) = ids(fleet, &templates, &[]);
            assert_eq!(found.len(), names.len());
            assert!(!found.iter().any(|id| id == "individual"), "{found:?}");
        }
    }
}
