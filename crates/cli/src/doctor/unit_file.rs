//! A systemd unit file with its drop-ins, as lines (systemd.syntax(7), systemd.unit(5)).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mdss_relay_core::{MOST_FILE_BYTES, plain_text};

/// Where systemd looks for units of the system, the strongest first (systemd.unit(5), "System Unit Search Path").
const FOLDERS: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator",
];

/// The assignments of a unit's `[Service]` section, those of the drop-ins behind its own.
// No Debug: assignments may hold secrets.
#[derive(Clone, Default)]
pub(super) struct UnitFile {
    /// `mdss-relay-http.service`.
    pub(super) name: String,
    assignments: Vec<(String, String)>,
    /// Every file that was read.
    pub(super) files: Vec<PathBuf>,
}

impl UnitFile {
    /// Reads the file at `path` and the drop-ins that belong to it: those beside it, and, if it is installed, those of every folder of
    /// systemd's.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = absolute.parent().unwrap_or(Path::new("/"));
        let mut unit = Self::named(&name);
        unit.add(&absolute)?;
        let installed = FOLDERS.iter().any(|folder| Path::new(folder) == beside);
        let folders: Vec<&Path> =
            if installed { FOLDERS.iter().map(Path::new).collect() } else { vec![beside] };
        // Of two files of one name the stronger folder's counts; all are read by name, whatever their folder.
        let mut drop_ins: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        for folder in folders {
            for of in unit.drop_in_folders() {
                for entry in std::fs::read_dir(folder.join(of)).into_iter().flatten().flatten() {
                    if entry.path().extension().is_some_and(|extension| extension == "conf") {
                        drop_ins.entry(entry.file_name()).or_insert_with(|| entry.path());
                    }
                }
            }
        }
        for file in drop_ins.into_values() {
            // A drop-in that is masked is a link to /dev/null.
            if std::fs::read_link(&file).is_ok_and(|to| to == Path::new("/dev/null")) {
                continue;
            }
            unit.add(&file)?;
        }
        Ok(unit)
    }

    /// One without a line.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// `a-b.service.d`, `a-.service.d` and `service.d`, for `a-b.service`.
    fn drop_in_folders(&self) -> Vec<String> {
        let (stem, kind) = self.name.rsplit_once('.').unwrap_or((&self.name, "service"));
        let mut folders = vec![format!("{}.d", self.name)];
        let dashes = stem.char_indices().rev().filter(|(_, c)| *c == '-');
        folders.extend(dashes.map(|(at, _)| format!("{}.{kind}.d", &stem[..=at])));
        folders.push(format!("{kind}.d"));
        folders
    }

    fn add(&mut self, path: &Path) -> Result<(), String> {
        let text =
            plain_text(path, MOST_FILE_BYTES).map_err(|error| format!("{}: {error}", path.display()))?;
        self.files.push(path.to_owned());
        self.parse(&text);
        Ok(())
    }

    pub(super) fn parse(&mut self, text: &str) {
        let mut section = String::new();
        let mut line = String::new();
        for raw in text.lines() {
            let trimmed = raw.trim_start();
            // Also in the middle of a line that goes on.
            if trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(begin) = raw.strip_suffix('\\') {
                line.push_str(begin);
                line.push(' ');
                continue;
            }
            line.push_str(raw);
            let whole = std::mem::take(&mut line);
            let whole = whole.trim();
            if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = whole.split_once('=').filter(|_| section == "Service") {
                self.assignments.push((key.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// Every value of a setting that is a list; an empty one begins it anew.
    pub(super) fn list(&self, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for (_, value) in self.assignments.iter().filter(|(name, _)| name == key) {
            if value.is_empty() {
                values.clear();
            } else {
                values.push(value.as_str());
            }
        }
        values
    }

    /// The last value of a setting; `None` if it is not set, or set to nothing.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let last = self.assignments.iter().rev().find(|(name, _)| name == key);
        last.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a setting is switched on.
    pub(super) fn is_on(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| matches!(value, "yes" | "true" | "on" | "1"))
    }
}

/// The words of a value: split at white space, without quotes, escapes resolved (systemd.syntax(7), "Quoting").
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', _) => {
                let word = word.get_or_insert_default();
                match rest.next() {
                    Some('n') => word.push('\n'),
                    Some('t') => word.push('\t'),
                    Some('r') => word.push('\r'),
                    Some('s') => word.push(' '),
                    Some('x') => {
                        let digits: String = [rest.next(), rest.next()].into_iter().flatten().collect();
                        word.extend(u8::from_str_radix(&digits, 16).ok().map(char::from));
                    }
                    Some(other) => word.push(other),
                    None => {}
                }
            }
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The variables in a file that `EnvironmentFile=` names (systemd.exec(5)): like a shell's, but nothing is expanded.
pub(super) fn environment_file(text: &str) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let mut value = value.trim_start().to_owned();
        // A value goes on behind a backslash at the line's end, and inside of quotes.
        let read = loop {
            match unquoted(&value) {
                Some(read) => break read,
                None => match lines.next() {
                    Some(more) => {
                        match value.strip_suffix('\\') {
                            Some(begin) => value.truncate(begin.len()),
                            None => value.push('\n'),
                        }
                        value.push_str(more);
                    }
                    None => break value,
                },
            }
        };
        variables.push((name.trim_end().to_owned(), read));
    }
    variables
}

/// The value without its quotes and escapes; `None` if it goes on in the next line.
fn unquoted(text: &str) -> Option<String> {
    let (mut value, mut quote) = (String::new(), None);
    // The length that white space at the end must not be cut below.
    let mut firm = 0;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => {
                quote = None;
                firm = value.len();
            }
            ('\\', Some('\'')) => value.push('\\'),
            ('\\', Some(_)) => match rest.next()? {
                c @ ('"' | '\\' | '`' | '$') => value.push(c),
                c => value.extend(['\\', c]),
            },
            ('\\', None) => {
                value.push(rest.next()?);
                firm = value.len();
            }
            (c, _) => value.push(c),
        }
    }
    if quote.is_some() {
        return None;
    }
    let end = value.trim_end().len().max(firm);
    value.truncate(end);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_and_an_empty_value_begins_a_list_anew() {
        let mut unit = UnitFile::default();
        unit.parse(
            "[Unit]\nUser=nobody\n[Service]\n# no\nUser = a\nEnvironment=A=1 \\\n# between\n  B=2\nEnvironment=\nEnvironment=C=3\n\
             Environment=D=4\n[Install]\nUser=b\n",
        );
        assert_eq!(unit.value("User"), Some("a"));
        assert_eq!(unit.list("Environment"), ["C=3", "D=4"]);
        unit.parse("[Service]\nUser=\nPrivateTmp=yes\n");
        assert_eq!(
            (unit.value("User"), unit.is_on("PrivateTmp"), unit.is_on("ProtectHome")),
            (None, true, false)
        );
    }

    #[test]
    fn words_and_quotes() {
        for (text, want) in [
            ("A=1 B=2", &["A=1", "B=2"][..]),
            ("\"A=1 2\" 'B=\"'", &["A=1 2", "B=\""]),
            (r"A=\x41\s\\ B=\n", &["A=A \\", "B=\n"]),
            ("A=\"x y\"z", &["A=x yz"]),
            ("  ", &[]),
            ("''", &[""]),
            (r"\", &[""]),
        ] {
            assert_eq!(words(text), want, "{text}");
        }
    }

    #[test]
    fn files_of_variables() {
        let text = "# c\n; c\n\nA=1\n B = two words  \nC=\"a\\\"b $x\"\nD='a\\b'\nE=a\\\nb\nF=\"a\nb\"\nnothing\nG=\nH=x\\ \n";
        let want = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a\"b $x"),
            ("D", "a\\b"),
            ("E", "ab"),
            ("F", "a\nb"),
            ("G", ""),
            ("H", "x "),
        ];
        assert_eq!(environment_file(text), want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn drop_ins_are_read_by_name_behind_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("mdss-relay-http.service"), "[Service]\nUser=a\n").unwrap();
        for (folder, file, text) in [
            ("mdss-relay-http.service.d", "20-b.conf", "[Service]\nUser=late\n"),
            ("mdss-relay-http.service.d", "10-a.conf", "[Service]\nUser=early\nGroup=g\n"),
            ("mdss-relay-http.service.d", "30-c.txt", "[Service]\nUser=no\n"),
            ("mdss-.service.d", "15-d.conf", "[Service]\nGroup=h\n"),
        ] {
            std::fs::create_dir_all(at(folder)).unwrap();
            std::fs::write(at(folder).join(file), text).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", at("mdss-relay-http.service.d/40-masked.conf")).unwrap();
        let unit = UnitFile::read(&at("mdss-relay-http.service")).unwrap();
        assert_eq!((unit.value("User"), unit.value("Group"), unit.files.len()), (Some("late"), Some("h"), 4));
        assert!(UnitFile::read(&at("none.service")).is_err());
    }
}
