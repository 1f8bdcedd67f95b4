//! What the operator has configured, where the platform hands it over in one variable.

use std::ffi::OsString;

use serde_json::{Map, Value};
use shim::SettingsError;

use crate::profile::Profile;

impl Profile {
    /// Adds to `vars` what the platform hands over of the operator's variables in one of its own (Huawei's `RUNTIME_USERDATA`) and the
    /// environment lacks. The environment counts where both have a name; an empty variable says no more than none.
    ///
    /// ```
    /// use poll_shim::HUAWEI_FUNCTIONGRAPH;
    ///
    /// let mut vars = [("A", "1"), ("RUNTIME_USERDATA", r#"{"A":"2","B":"3"}"#)].map(|(n, v)| (n.into(), v.into())).to_vec();
    /// HUAWEI_FUNCTIONGRAPH.configured(&mut vars).unwrap();
    /// assert_eq!(vars[0], ("A".into(), "1".into()));
    /// assert_eq!(vars[2..], [("B".into(), "3".into())]);
    /// ```
    ///
    /// # Errors
    ///
    /// If the variable is no JSON object of texts. The sentence quotes nothing of it: there are secrets in it.
    pub fn configured(&self, vars: &mut Vec<(OsString, OsString)>) -> Result<(), SettingsError> {
        let Some(name) = self.configured else { return Ok(()) };
        let Some((_, text)) = vars.iter().find(|(given, value)| given == name && !value.is_empty()) else {
            return Ok(());
        };
        let mistake = |found: String| {
            let sentence = format!("{name}: found {found}, expected a JSON object whose members are texts");
            SettingsError::new(vec![sentence])
        };
        let text = text.to_str().ok_or_else(|| mistake("bytes that are no UTF-8".to_owned()))?;
        let members: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let what = if error.is_data() { "no object" } else { "no JSON" };
            mistake(format!("{what}, line {} column {}", error.line(), error.column()))
        })?;
        let mut added = Vec::new();
        for (given, value) in members {
            let value = match value {
                Value::String(text) => text,
                // A number or `true` was typed as one.
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null => continue,
                Value::Array(_) | Value::Object(_) => {
                    return Err(mistake(format!("a member {given:?} that is a list or an object")));
                }
            };
            if !vars.iter().any(|(there, value)| *there == *given && !value.is_empty()) {
                added.push((OsString::from(given), OsString::from(value)));
            }
        }
        vars.retain(|(there, _)| !added.iter().any(|(name, _)| name == there));
        vars.extend(added);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{HUAWEI_FUNCTIONGRAPH, TENCENT_SCF};

    fn configured(profile: &Profile, vars: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let mut all = vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let text = |text: OsString| text.into_string().unwrap();
        profile.configured(&mut all).map_err(|error| error.to_string())?;
        Ok(all.into_iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    #[test]
    fn the_environment_counts_first() {
        let userdata = r#"{"APIKEY":"k2","RELAY_DEADLINE":"9s","EMPTY":"x","N":7,"T":true,"NONE":null}"#;
        let vars = [("APIKEY", "k1"), ("EMPTY", ""), ("RUNTIME_USERDATA", userdata)];
        let all = configured(&HUAWEI_FUNCTIONGRAPH, &vars).unwrap();
        let added: Vec<_> = all[2..].iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(added, [("EMPTY", "x"), ("N", "7"), ("RELAY_DEADLINE", "9s"), ("T", "true")]);
        assert_eq!(configured(&TENCENT_SCF, &vars).unwrap().len(), 3, "Tencent has no such variable");
        assert_eq!(configured(&HUAWEI_FUNCTIONGRAPH, &[("RUNTIME_USERDATA", "")]).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_object_of_texts_is_named_and_not_quoted() {
        for (text, found) in [
            (r#"{"APIKEY":"s3cret""#, "no JSON, line 1 column 18"),
            (r#"["s3cret"]"#, "no object, line 1 column 0"),
            (r#"{"APIKEY":["s3cret"]}"#, r#"a member "APIKEY" that is a list or an object"#),
        ] {
            let error = configured(&HUAWEI_FUNCTIONGRAPH, &[("RUNTIME_USERDATA", text)]).unwrap_err();
            let want =
                format!("RUNTIME_USERDATA: found {found}, expected a JSON object whose members are texts");
            assert_eq!(error, want);
        }
    }
}
