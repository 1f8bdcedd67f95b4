//! Which buckets of a store are looked at.

use mdss_relay_core::Rules;
use mdss_relay_stores::StoreSettings;

/// The buckets of one store, by name.
pub(super) struct Which {
    pub(super) buckets: Vec<String>,
    /// Why there may be more of them.
    pub(super) unknown: Option<String>,
}

impl Which {
    /// Those that the store names, and those that a route names and the store's patterns include. A pattern in both is a bucket that
    /// nobody names: to list an account's buckets takes rights over all of them, which a scanner should not have.
    pub(super) fn of(settings: &StoreSettings, rules: &Rules) -> Self {
        let is_pattern = |name: &str| name.contains('*');
        let source = settings.source.as_deref();
        let routes = rules.routes().iter().filter(|route| source.is_none_or(|source| route.is_of(source)));
        let of_routes: Vec<&str> = routes.map(|route| route.bucket()).collect();
        let named = settings.buckets.iter().map(|pattern| pattern.as_str());
        let by_routes = of_routes.iter().copied().filter(|name| settings.has(name));
        let mut buckets: Vec<String> =
            named.chain(by_routes).filter(|name| !is_pattern(name)).map(str::to_owned).collect();
        buckets.sort();
        buckets.dedup();
        let patterns: Vec<&str> =
            settings.buckets.iter().map(|pattern| pattern.as_str()).filter(|name| is_pattern(name)).collect();
        let unknown = (!patterns.is_empty()
            && (buckets.is_empty() || of_routes.iter().any(|name| is_pattern(name))))
        .then(|| format!("which buckets {} stands for is not known here", patterns.join(", ")));
        Self { buckets, unknown }
    }
}

#[cfg(test)]
mod tests {
    use mdss_relay_core::{Role, Settings};

    use super::*;

    #[test]
    fn the_buckets_that_a_store_or_a_route_names() {
        for (of_store, of_routes, want, more) in [
            ("'b'", &["*"][..], &["b"][..], false),
            ("['b', 'a']", &["a"], &["a", "b"], false),
            ("'in-*'", &["in-1", "in-2", "out"], &["in-1", "in-2"], false),
            ("'in-*'", &["in-1", "in-*"], &["in-1"], true),
            ("'*'", &["*"], &[], true),
            ("['b', '*']", &["*"], &["b"], true),
        ] {
            let routes: String = of_routes
                .iter()
                .map(|name| format!("[[route]]\nbucket = '{name}'\nstorage_client_id = 'u'\n"))
                .collect();
            let store = format!("[[store]]\nname = 's'\nkind = 's3'\nbuckets = {of_store}\n");
            let toml = format!("{routes}{store}");
            let settings =
                Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain).settings;
            let stores = StoreSettings::read(&settings, &mut Vec::new());
            let which = Which::of(&stores[0], &settings.rules);
            assert_eq!(which.buckets, want, "{of_store} {of_routes:?}");
            assert_eq!(which.unknown.is_some(), more, "{of_store} {of_routes:?}");
        }
    }
}
