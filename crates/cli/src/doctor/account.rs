//! Users and groups of this machine, as `/etc/passwd` and `/etc/group` list them (passwd(5), group(5)).

/// A user as whom a service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    /// The first is the primary one.
    pub(super) groups: Vec<u32>,
}

impl Account {
    /// The user that `User=`, `Group=` and `SupplementaryGroups=` of a unit name, by name or number; root without `user`.
    ///
    /// # Errors
    /// What is not in the lists.
    pub(super) fn of(
        user: Option<&str>,
        group: Option<&str>,
        more: &[&str],
        lists: &Lists,
    ) -> Result<Self, String> {
        let user = user.unwrap_or("root");
        let entry = lists.users().find(|entry| entry.name == user || entry.id.to_string() == user);
        // Root is there without a list, too.
        let number = if user == "root" { Some(0) } else { user.parse().ok() };
        let number = number.map(|id| Entry { name: user, id, rest: user });
        let Some(entry) = entry.or(number) else {
            return Err(format!("this machine has no user {user}"));
        };
        let gid = |name: &str| -> Result<u32, String> {
            let found = lists.groups().find(|entry| entry.name == name).map(|entry| entry.id);
            found.or_else(|| name.parse().ok()).ok_or_else(|| format!("this machine has no group {name}"))
        };
        let primary = match group {
            Some(group) => gid(group)?,
            // A number that nobody has listed has no group of its own; systemd takes the same number.
            None => entry.rest.split(':').next().and_then(|gid| gid.parse().ok()).unwrap_or(entry.id),
        };
        let member = |group: &Entry<'_>| group.rest.split(',').any(|member| member == entry.name);
        let mut groups = vec![primary];
        groups.extend(lists.groups().filter(member).map(|group| group.id));
        for name in more {
            groups.push(gid(name)?);
        }
        Ok(Self { name: entry.name.to_owned(), uid: entry.id, groups })
    }
}

/// The texts of the two files.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    pub(super) passwd: String,
    pub(super) group: String,
}

/// A line: `name:x:id:rest`.
struct Entry<'l> {
    name: &'l str,
    id: u32,
    rest: &'l str,
}

impl Lists {
    /// Those of this machine; what cannot be read is empty. A directory service may know more.
    pub(super) fn of_this_machine() -> Self {
        let text = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Self {
            passwd: text("/etc/passwd").unwrap_or_default(),
            group: text("/etc/group").unwrap_or_default(),
        }
    }

    /// Adds a user that only a directory service knows, if there is one: getent(1) asks it.
    pub(super) fn add_user(&mut self, user: &str) {
        if self.users().any(|entry| entry.name == user || entry.id.to_string() == user) {
            return;
        }
        // Without the program nobody but the file knows users.
        let found = std::process::Command::new("getent").args(["passwd", "--", user]).output();
        if let Ok(found) = found {
            self.passwd.push('\n');
            self.passwd.push_str(&String::from_utf8_lossy(&found.stdout));
        }
    }

    /// The name of a user, or its number.
    pub(super) fn user_name(&self, uid: u32) -> String {
        self.users()
            .find(|entry| entry.id == uid)
            .map_or_else(|| uid.to_string(), |entry| entry.name.to_owned())
    }

    fn users(&self) -> impl Iterator<Item = Entry<'_>> {
        entries(&self.passwd)
    }

    fn groups(&self) -> impl Iterator<Item = Entry<'_>> {
        entries(&self.group)
    }
}

fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(4, ':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
        Some(Entry { name, id, rest: fields.next().unwrap_or_default() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_with_its_groups_by_name_and_number() {
        let lists = Lists {
            passwd: "root:x:0:0:root:/root:/bin/sh\nbroken\nrelay:x:990:991::/var/lib/relay:/bin/false\n"
                .into(),
            group: "root:x:0:\nrelay:x:991:\nkeys:x:50:other,relay\nlog:x:51:\n".into(),
        };
        let of = |user, group, more: &[&str]| {
            Account::of(user, group, more, &lists).map(|a| (a.name, a.uid, a.groups))
        };
        let named = |name: &str, uid, groups: &[u32]| Ok((name.to_owned(), uid, groups.to_vec()));
        assert_eq!(of(Some("relay"), None, &[]), named("relay", 990, &[991, 50]));
        assert_eq!(of(Some("990"), Some("log"), &["12"]), named("relay", 990, &[51, 50, 12]));
        assert_eq!(of(None, None, &[]), named("root", 0, &[0]));
        assert_eq!(of(Some("4711"), None, &[]), named("4711", 4711, &[4711]));
        assert_eq!(of(Some("nobody-here"), None, &[]), Err("this machine has no user nobody-here".into()));
        assert_eq!(of(Some("relay"), Some("nogroup"), &[]), Err("this machine has no group nogroup".into()));
        assert_eq!((lists.user_name(990), lists.user_name(7)), ("relay".into(), "7".into()));
    }
}
