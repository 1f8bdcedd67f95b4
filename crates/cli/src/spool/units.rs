//! What people call a storage unit: its id is all that the spool has of it, and the routes say the rest.

use std::path::Path;

use mdss_relay_core::{Role, Rules, Settings, UnitNames};

use super::place;

/// The names that a configuration gives to storage units; none without a configuration.
#[derive(Default)]
pub(super) struct Units(Rules);

impl Units {
    /// Those of the file that is named, else of the variables, else of the standard file. What is wrong with the rest of the settings
    /// concerns nobody here.
    ///
    /// # Errors
    /// Why the file that is named cannot be read; without one there is no error.
    pub(super) fn read(config: Option<&Path>) -> Result<Self, String> {
        let draft = Settings::read(place::variables(config), Role::Explain);
        let rules = draft.settings.rules.clone();
        if let (Some(_), Err(mistakes)) = (config, draft.finish())
            && rules.units() == 0
        {
            let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            return Err(mistakes.join("; "));
        }
        Ok(Self(rules))
    }

    /// The rules that the configuration has.
    pub(super) fn rules(&self) -> &Rules {
        &self.0
    }

    /// What the unit with this id is called; `None` if the configuration does not say.
    pub(super) fn of(&self, id: &str) -> Option<UnitNames> {
        self.0.unit(id)
    }

    /// The id of the unit that a route calls so; the text itself if none does.
    pub(super) fn id(&self, name: &str) -> String {
        self.0.unit_called(name).unwrap_or(name).to_owned()
    }

    /// A line about a unit.
    pub(super) fn line(&self, id: &str) -> Option<String> {
        let UnitNames { names, buckets } = self.of(id)?;
        let names = if names.is_empty() { String::new() } else { format!("{}; ", names.join(", ")) };
        let noun = if buckets.len() == 1 { "bucket" } else { "buckets" };
        Some(format!("unit {id}: {names}{noun} {}", buckets.join(", ")))
    }
}
