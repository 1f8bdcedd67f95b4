//! Where settings were read, for whoever tells an operator about it: which configuration, what a variable overrides in it, and
//! what differs from the one before. Functions tell nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::plain::line;
use crate::settings::keys;
use crate::settings::table::SETTINGS;

/// Variables and the TOML as they were read. `Debug` shows neither: both may hold secrets.
#[derive(Clone, Default)]
pub struct Origin {
    vars: BTreeMap<String, String>,
    table: toml::Table,
}

impl Origin {
    pub(super) fn new(vars: BTreeMap<String, String>, table: toml::Table) -> Self {
        Self { vars, table }
    }

    /// The file that `RELAY_CONFIG` names, or `RELAY_CONFIG_TOML` if the text stands there; `None` without a configuration.
    pub fn configuration(&self) -> Option<&str> {
        const TEXT: &str = "RELAY_CONFIG_TOML";
        let file = self.vars.get("RELAY_CONFIG").map(String::as_str);
        file.or_else(|| self.vars.contains_key(TEXT).then_some(TEXT))
    }

    /// The variables that override a member of the configuration which says something else, with the member.
    pub fn overridden(&self) -> Vec<(String, String)> {
        let rows = SETTINGS.iter().filter_map(|s| Some((s.variable.to_owned(), s.toml?.to_owned())));
        let is_overridden = |(variable, member): &(String, String)| {
            let values = self.vars.get(variable).zip(self.member(member).and_then(written));
            values.is_some_and(|(variable, member)| !same(variable, &member))
        };
        rows.chain(keys::names()).filter(is_overridden).collect()
    }

    /// What the configuration says otherwise than the one `before`: members, `[[source]]`, `[[route]]`. Values are not shown. What a
    /// variable overrides makes no difference.
    pub fn changed(&self, before: &Self) -> Vec<String> {
        let names: BTreeSet<String> = self.names().chain(before.names()).collect();
        let overridden = |name: &str| {
            let row = SETTINGS.iter().find(|setting| setting.toml == Some(name));
            let key = keys::names().find(|(_, member)| member == name).map(|(variable, _)| variable);
            let variable = row.map(|setting| setting.variable.to_owned()).or(key);
            variable.is_some_and(|variable| self.vars.contains_key(&variable))
        };
        let differs = |name: &String| self.member(name) != before.member(name) && !overridden(name);
        names.into_iter().filter(differs).map(shown).collect()
    }

    /// `mdss.timeout` for a member of a table, `route` for a list of tables.
    fn names(&self) -> impl Iterator<Item = String> {
        self.table.iter().flat_map(|(name, value)| match value {
            toml::Value::Table(table) => table.keys().map(|member| format!("{name}.{member}")).collect(),
            _ => vec![name.clone()],
        })
    }

    fn member(&self, name: &str) -> Option<&toml::Value> {
        match name.split_once('.') {
            Some((table, member)) => self.table.get(table)?.get(member),
            None => self.table.get(name),
        }
    }
}

fn shown(name: String) -> String {
    if name.contains('.') { line::clip(&name, 100) } else { format!("[[{name}]]") }
}

/// A value of the TOML as a variable would say it; `None` for one that no setting takes, which is a mistake already.
fn written(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(if *flag { "on" } else { "off" }.to_owned()),
        toml::Value::Array(list) => Some(list.iter().map(written).collect::<Option<Vec<_>>>()?.join(",")),
        _ => None,
    }
}

/// Whether two texts are the same list, with or without spaces between its parts.
fn same(one: &str, other: &str) -> bool {
    let parts = |text: &str| text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    parts(one) == parts(other)
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Role, Settings};

    use super::*;

    fn origin(toml: &str, vars: &[(&str, &str)]) -> Origin {
        let toml = ("RELAY_CONFIG_TOML", toml);
        let all = vars.iter().chain([&toml]).filter(|(_, value)| !value.is_empty());
        Settings::read(all.map(|(name, value)| (name.into(), value.into())), Role::Explain).origin
    }

    #[test]
    fn what_a_variable_overrides_is_known_by_name() {
        let toml = "[http]\nmode = \"direct\"\nlisten = \"127.0.0.1:1\"\ntrusted_proxies = [\"10.0.0.1\", \"10.0.0.2\"]\n\
                    [mdss]\nattempts = 3\ntls_verify = true\ntimeout = \"9s\"\n[keys]\naws-s3 = \"form\"\nceph = \"form\"\n";
        let vars = [
            ("RELAY_MODE", "spooled"),
            ("RELAY_LISTEN", "127.0.0.1:1"),
            ("RELAY_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2"),
            ("RELAY_ATTEMPTS", "3"),
            ("RELAY_TLS_VERIFY", "on"),
            ("RELAY_TIMEOUT", "8s"),
            ("RELAY_DEADLINE", "8s"),
            ("RELAY_KEYS_AWS_S3", "verbatim"),
            ("RELAY_KEYS_CEPH", "form"),
        ];
        let overridden = origin(toml, &vars).overridden();
        let wanted = [
            ("RELAY_TIMEOUT", "mdss.timeout"),
            ("RELAY_MODE", "http.mode"),
            ("RELAY_KEYS_AWS_S3", "keys.aws-s3"),
        ];
        assert_eq!(overridden, wanted.map(|(variable, member)| (variable.to_owned(), member.to_owned())));
        assert_eq!(origin("", &vars).overridden(), []);
        assert_eq!(origin(toml, &[]).overridden(), []);
    }

    #[test]
    fn what_has_changed_is_known_by_name_and_shows_no_value() {
        let before =
            "[mdss]\ntimeout = \"9s\"\nattempts = 3\n[[source]]\nname = \"a\"\n[keys]\nminio = \"form\"\n";
        let after = "[mdss]\ntimeout = \"8s\"\n[[source]]\nname = \"s3cret\"\n[[route]]\nbucket = \"b\"\n[keys]\nminio = \"form\"\n";
        let (before, after) = (origin(before, &[]), origin(after, &[]));
        let names = ["mdss.attempts", "mdss.timeout", "[[route]]", "[[source]]"];
        assert_eq!(after.changed(&before), names);
        assert_eq!(before.changed(&after), names);
        assert_eq!(before.changed(&before), [""; 0]);
        let set = [("RELAY_TIMEOUT", "1s")];
        let (before, after) = (origin("[mdss]\ntimeout = \"9s\"", &set), origin("", &set));
        assert_eq!(after.changed(&before), [""; 0], "the variable says it before and after");
        assert_eq!(format!("{after:?}"), "Origin { .. }");
    }

    #[test]
    fn which_configuration() {
        assert_eq!(origin("", &[]).configuration(), None);
        assert_eq!(origin("[mdss]", &[]).configuration(), Some("RELAY_CONFIG_TOML"));
        assert_eq!(
            origin("", &[("RELAY_CONFIG", "/etc/relay.toml")]).configuration(),
            Some("/etc/relay.toml")
        );
    }
}
