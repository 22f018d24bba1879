//! The kind of a list of hosts.

use crate::config::invalid::Invalid;
use crate::config::kind::{Kind, Toml, at, collected, expected};
use crate::model::executor::Host;

/// Hosts with their slots and labels.
pub(in crate::config) struct Hosts;

impl Kind for Hosts {
    type Value = Vec<Host>;

    fn read(value: &Toml<'_>) -> Result<Vec<Host>, Vec<Invalid>> {
        let example = "[\"build1 slots=4\", \"build2\"]";
        let Some(items) = value.get_ref().as_array() else {
            return expected("a list of hosts", example, value);
        };
        collected(items.iter().map(|item| {
            let read = match item.get_ref().as_str() {
                Some(text) => {
                    Host::parse(text).map_err(|(message, hint)| vec![Invalid::new(message, hint)])
                }
                None => expected("a string", "\"build1 slots=4\"", item),
            };
            at(item.span(), read)
        }))
    }

    fn to_toml(value: &Vec<Host>) -> toml::Value {
        value.iter().map(Host::render).collect::<Vec<_>>().into()
    }
}
