//! `[[store]]`: every mistake at once, no secret in any sentence, and a page that says what the code does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::fs;
use std::path::Path;

use mdss_relay_core::{Role, Settings};
use mdss_relay_stores::{Kind, MEMBERS, StoreSettings, Style};

fn read(toml: &str) -> (Vec<StoreSettings>, Vec<String>) {
    let settings = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain);
    assert_eq!(settings.mistakes, []);
    let mut mistakes = Vec::new();
    let stores = StoreSettings::read(&settings.settings, &mut mistakes);
    (stores, mistakes.iter().map(ToString::to_string).collect())
}

#[test]
fn every_mistake_is_found_at_once() {
    let (_, mistakes) = read(
        "[[store]]\nname = \"a\"\nkind = \"s4\"\n\
         [[store]]\nkind = \"s3\"\nbuckets = \"*\"\n\
         [[store]]\nname = \"c\"\nkind = \"s3\"\nbukets = \"x\"\nendpoint = \"https://user:s3cret@h\"\nstyle = \"host\"\n\
         timeout = \"10\"\nca_file = \"/nonexistent/ca\"\nsource = \"minio\"\naccess_key_id = \"id\"\n\
         [[store]]\nname = \"c\"\nkind = \"azure\"\nbuckets = []\nregion = \"x\"\n\
         [[store]]\nname = \"e\"\nkind = \"oci\"\nbuckets = \"*\"\nuser = \"u\"\n\
         [[store]]\nname = \"f\"\nkind = \"directory\"\nbuckets = [\"a\", \"b\"]\npath = \"/srv/x\"\n\
         [[store]]\nname = \"g\"\nkind = \"directory\"\nbuckets = \"a\"\npath = \"srv\"\nendpoint = \"https://h\"\n\
         [[store]]\nname = \"h\"\nkind = \"gcs\"\nbuckets = \"*\"\ncredentials_file = \"s3cret text\"\naccess_token_file = \"/nonexistent/t\"\n",
    );
    let wanted = [
        "store[0].kind: found \"s4\", expected one of s3, azure, gcs, oci, directory",
        "store[1].name: expected a name for commands, reports and logs",
        "store[2].bukets: expected a known name; is buckets meant?",
        "store[2].buckets: expected the names of its buckets, or patterns; \"*\" is every bucket",
        "store[2].source: found \"minio\", expected the name of a source ()",
        "store[2].endpoint: expected a URL such as https://s3.example:9000, without a path, a user or a query",
        "store[2].style: found \"host\", expected one of path, virtual",
        "store[2].ca_file: found \"/nonexistent/ca\", expected a file of certificates in PEM (No such file or directory (os error 2))",
        "store[2].secret_access_key_file: expected a value, because access_key_id, secret_access_key_file belong together",
        "store[2].timeout: found \"10\", expected a duration from 1ms to 1h with its unit, such as 500ms, 10s or 2m",
        "store[3].region: expected a known name: one of ",
        "store[3].account: expected the name of the storage account; or endpoint",
        "store[3].name: found \"c\", expected a name that no other store has",
        "store[4].region: expected the region's name, such as eu-frankfurt-1; or endpoint",
        "store[4].tenancy: expected a value, because tenancy, user, fingerprint, private_key_file belong together",
        "store[4].fingerprint: ",
        "store[4].private_key_file: ",
        "store[5].path: found \"/srv/x\", expected {bucket} in the path",
        "store[6].endpoint: expected a known name: one of ",
        "store[6].path: found \"srv\", expected an absolute path such as /mnt/share",
        "store[7].credentials_file: expected a readable file (No such file",
        "store[7].access_token_file: found \"/nonexistent/t\", expected a readable file",
        "store[7].access_token_file: expected no value, because credentials_file is set: one of the two",
    ];
    assert_eq!(mistakes.len(), wanted.len(), "{mistakes:#?}");
    for (found, want) in mistakes.iter().zip(wanted) {
        assert!(found.starts_with(want), "{found}\n{want}");
        assert!(!found.contains("s3cret"), "{found}");
    }
}

#[test]
fn what_holds_without_a_value() {
    let (stores, mistakes) = read(
        "[[store]]\nname = \"aws\"\nkind = \"s3\"\nbuckets = [\"invoices-*\", \"hr\"]\nexpects = \"arn:aws:sqs:eu-central-1:1:q\"\n\
         [[store]]\nname = \"minio\"\nkind = \"s3\"\nbuckets = \"*\"\nendpoint = \"https://minio.example:9000\"\nregion = \"auto\"\n\
         [[store]]\nname = \"share\"\nkind = \"directory\"\nbuckets = \"share\"\npath = \"/mnt/share\"\n\
         [[store]]\nname = \"azure\"\nkind = \"azure\"\nbuckets = \"*\"\nendpoint = \"http://127.0.0.1:10000/devstoreaccount1\"\n",
    );
    assert_eq!(mistakes, [""; 0]);
    let [aws, minio, share, _] = stores.as_slice() else { panic!("{stores:?}") };
    assert_eq!((aws.kind, aws.style, aws.endpoint.as_ref()), (Kind::S3, Style::Virtual, None));
    assert!(aws.has("invoices-eu") && aws.has("hr") && !aws.has("hr2"));
    assert_eq!((aws.only_bucket(), share.only_bucket()), (None, Some("share")));
    assert_eq!(aws.expects, ["arn:aws:sqs:eu-central-1:1:q"]);
    assert_eq!((minio.style, minio.region.as_deref()), (Style::Path, None));
}

/// The core knows the list, and says what is wrong with the list itself.
#[test]
fn the_list_is_known_to_the_core() {
    for (toml, want) in [
        ("[store]\nname = \"a\"", "store: expected [[store]], with two brackets"),
        ("store = [1]", "store[0]: found \"integer\", expected a table"),
        ("[[stores]]\nname = \"a\"", "stores: expected a known name; is store meant?"),
    ] {
        let read = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain);
        let mistakes: Vec<_> = read.mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(mistakes, [want]);
    }
    let function =
        Settings::read([("RELAY_CONFIG_TOML".into(), "[[store]]\nname = \"a\"".into())], Role::Function);
    let warnings = function.settings.warnings.join("\n");
    assert!(warnings.contains("store: has no effect in a function"), "{warnings}");
}

#[test]
fn the_page_lists_the_members() {
    let kinds = |kinds: &[Kind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let mut table = String::from(
        "\n| Member | Kinds | Values | Without it | What it is for |\n| --- | --- | --- | --- | --- |\n",
    );
    for member in MEMBERS {
        let cells = [
            format!("`{}`", member.name),
            if member.kinds.is_empty() { "all".to_owned() } else { kinds(member.kinds) },
            member.values.to_owned(),
            member.without.to_owned(),
            member.meaning.to_owned(),
        ];
        let cells: String =
            cells.iter().map(|c| if c.is_empty() { " |".to_owned() } else { format!(" {c} |") }).collect();
        table.push_str(&format!("|{cells}\n"));
    }
    table.push('\n');
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("<!-- begin: stores -->\n").unwrap();
    let (there, after) = rest.split_once("<!-- end: stores -->").unwrap();
    if there == table {
        return;
    }
    assert!(
        std::env::var_os("BLESS").is_some(),
        "docs/settings.md does not say what the code does; `make bless` writes it"
    );
    fs::write(page, format!("{before}<!-- begin: stores -->\n{table}<!-- end: stores -->{after}")).unwrap();
}
