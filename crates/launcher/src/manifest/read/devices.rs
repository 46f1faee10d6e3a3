//! Device ids, one by one and in ranges, and that no two devices share one.

use std::collections::HashMap;

use fleet_protocol::plan::Range;
use iot_protocol::id::RegistrationId;
use settings::{At, Document, Table};

use crate::manifest::forms::{Count, MAX_DEVICES, Natural, Prefix, Typed, Value, Width, device_id};

pub(super) const FORM: &str = "devices = { prefix = \"thermo-\", count = 100 }";

/// The ids that are given away, in the form under which DPS compares them, with the key that took each.
#[derive(Default)]
pub(super) struct Taken {
    ids: HashMap<String, String>,
    total: u64,
    /// The gateways that devices are to be behind, not looked for yet.
    pub(super) vias: Vec<At<RegistrationId>>,
    /// Where addresses of gateways stand.
    pub(super) gateway_addresses: Vec<(String, std::ops::Range<usize>)>,
}

impl Taken {
    /// Takes `id` for the devices of `key`, or names its owner.
    fn take(&mut self, id: &RegistrationId, key: &str) -> Result<(), String> {
        match self.ids.insert(id.folded(), key.to_owned()) {
            Some(other) => Err(other),
            None => Ok(()),
        }
    }

    /// Whether some device has it.
    pub(super) fn has(&self, id: &RegistrationId) -> bool {
        self.ids.contains_key(&id.folded())
    }

    pub(super) fn too_many(&self) -> Option<String> {
        (self.total > u64::from(MAX_DEVICES)).then(|| format!("the fleet has {} devices", self.total))
    }
}

pub(super) fn single(table: &Table<'_>, taken: &mut Taken, document: &Document<'_>) -> Option<RegistrationId> {
    let id = table.optional::<RegistrationId>("device_id")?;
    taken.total += 1;
    if let Err(other) = taken.take(&id.value, &id.key) {
        let message = format!(
            "`{}`: the device id `{}` is already taken by `{other}`",
            id.key, id.value
        );
        document.problems.push(id.span, message, vec![UNIQUE.into()]);
    }
    Some(id.value)
}

const UNIQUE: &str = "accepted: ids that no other device has, also not in other case: DPS ignores case";

pub(super) fn range(table: Table<'_>, taken: &mut Taken, document: &Document<'_>) -> Option<Range> {
    let prefix = table.required::<Prefix>("prefix");
    let count = table.required::<Count>("count");
    let first = table.optional::<Natural>("first").map_or(1, |first| first.value.0);
    let width = table.optional::<Width>("width").map_or(4, |width| width.value.0);
    let (key, span) = (table.path().to_owned(), table.span());
    table.finish();
    let prefix = prefix?;
    let range = Range {
        prefix: prefix.value.0,
        // Where the count is wrong, the prefix is looked at all the same.
        count: count.as_ref().map_or(1, |count| count.value.0),
        first,
        width,
    };
    taken.total += u64::from(range.count);
    if taken.too_many().is_some() {
        return count.map(|_| range);
    }

    // One problem is enough for a range: the ids differ in their numbers only.
    for index in 0..range.count {
        let id = match device_id(&range.id(index)) {
            Ok(id) => id,
            Err(what) => {
                let help = vec![format!("accepted: ids of {}", RegistrationId::FORM)];
                let message = format!("`{}` makes an id that no device can have: {what}", prefix.key);
                document.problems.push(prefix.span, message, help);
                return None;
            }
        };
        if let Err(other) = taken.take(&id, &key) {
            let message = format!("`{key}`: the device id `{id}` is already taken by `{other}`");
            document.problems.push(span, message, vec![UNIQUE.into()]);
            return None;
        }
    }
    count.map(|_| range)
}
