//! Direct method names as IoT Plug and Play writes them: `component*command`, or `command` on the root.
//!
//! Source: [IoT Plug and Play conventions](https://learn.microsoft.com/azure/iot/concepts-convention#commands).

use std::fmt;

/// A command of a device. IoT Hub calls it a direct method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandName {
    /// The component that it belongs to; `None` is the root.
    pub component: Option<String>,
    /// Its name in the model.
    pub name: String,
}

impl CommandName {
    /// Splits a method's decoded name. Every text is a legal name.
    #[must_use]
    pub fn parse(method: &str) -> Self {
        match method.split_once('*') {
            Some((component, name)) => Self {
                component: Some(component.into()),
                name: name.into(),
            },
            None => Self {
                component: None,
                name: method.into(),
            },
        }
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.component {
            Some(component) => write!(f, "{component}*{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_parts_component_and_command() {
        let name = CommandName::parse("thermostat1*getMaxMinReport");
        assert_eq!(
            (name.component.as_deref(), name.name.as_str()),
            (Some("thermostat1"), "getMaxMinReport")
        );
        assert_eq!(name.to_string(), "thermostat1*getMaxMinReport");
        assert_eq!(CommandName::parse("reboot").component, None);
    }
}
