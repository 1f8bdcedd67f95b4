//! `RELAY_KEYS_<DIALECT>` and `[keys]`: how a dialect's producer writes keys. Each dialect with keys has one.

use std::collections::BTreeMap;

use crate::model::dialect::{Dialect, KeyRules};
use crate::plain::mistake::Mistake;

const PREFIX: &str = "RELAY_KEYS_";

/// The variables there are.
pub(super) fn variables() -> impl Iterator<Item = String> {
    names().map(|(variable, _)| variable)
}

/// The variables there are, each with the member of the TOML that says the same.
pub(super) fn names() -> impl Iterator<Item = (String, String)> {
    let keyed = Dialect::ALL.iter().filter(|dialect| dialect.key_encoding().is_some());
    keyed.map(|dialect| (variable(dialect), format!("keys.{}", dialect.name())))
}

/// Whether a variable is named after a dialect; also after one without keys, for which a mistake says so.
pub(super) fn is_rule(variable: &str) -> bool {
    dialect(variable).is_some()
}

/// The rules of the TOML and then those of the variables, which win.
pub(super) fn rules(
    table: &toml::Table,
    vars: &BTreeMap<String, String>,
    mistakes: &mut Vec<Mistake>,
) -> KeyRules {
    let members = table.get("keys").and_then(toml::Value::as_table).into_iter().flatten();
    let members = members.map(|(name, value)| {
        (format!("keys.{name}"), name.as_str(), value.as_str().unwrap_or("?").to_owned())
    });
    let vars =
        vars.iter().filter_map(|(name, value)| Some((name.clone(), dialect(name)?.name(), value.clone())));
    let mut rules = KeyRules::default();
    for (place, dialect, encoding) in members.chain(vars) {
        let dialect = match dialect.parse::<Dialect>() {
            Ok(dialect) if dialect.key_encoding().is_some() => dialect,
            Ok(dialect) => {
                mistakes.push(Mistake::new(place, format!("no rule: {dialect} is an envelope without keys")));
                continue;
            }
            Err(expected) => {
                mistakes.push(Mistake::found(place, dialect, expected));
                continue;
            }
        };
        match encoding.parse() {
            Ok(encoding) => rules.set(dialect, encoding),
            Err(expected) => mistakes.push(Mistake::found(place, &encoding, expected)),
        }
    }
    rules
}

fn variable(dialect: &Dialect) -> String {
    format!("{PREFIX}{}", dialect.name().replace('-', "_").to_ascii_uppercase())
}

fn dialect(variable: &str) -> Option<Dialect> {
    let wanted = variable.strip_prefix(PREFIX)?;
    let named = |d: &&Dialect| d.name().replace('-', "_").eq_ignore_ascii_case(wanted);
    Dialect::ALL.iter().find(named).copied()
}
