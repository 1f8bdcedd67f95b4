//! The members of a `[[store]]`: one row each, for the reader and for the page.

use crate::kind::Kind;

/// One member.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// The kinds that have it; none: all.
    pub kinds: &'static [Kind],
    /// What it may be.
    pub values: &'static str,
    /// What holds without it.
    pub without: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

const fn member(
    name: &'static str,
    kinds: &'static [Kind],
    values: &'static str,
    without: &'static str,
    meaning: &'static str,
) -> Member {
    Member { name, kinds, values, without, meaning }
}

use Kind::{Azure, Directory, Gcs, Oci, S3};

const ALL: &[Kind] = &[];
const ASKED: &[Kind] = &[S3, Azure, Gcs, Oci];

/// Every member.
pub const MEMBERS: &[Member] = &[
    member("name", ALL, "a text", "required", "the name of the store in commands, reports and logs"),
    member(
        "kind",
        ALL,
        "`s3`, `azure`, `gcs`, `oci`, `directory`",
        "required",
        "how it is asked; `s3` is everything that speaks that protocol, `directory` also a share that is mounted",
    ),
    member(
        "buckets",
        ALL,
        "a text or a list, `*` stands for any characters",
        "required",
        "its buckets, as events name them; of Azure its containers",
    ),
    member(
        "source",
        ALL,
        "the name of a source",
        "the routes without a source",
        "whose routes its objects take",
    ),
    member(
        "expects",
        ALL,
        "a text or a list",
        "unknown",
        "what a bucket has to name, so that its events come here: an ARN, an id, a URL",
    ),
    member(
        "endpoint",
        ASKED,
        "a URL without a path",
        "the cloud's own",
        "where it is; of Azure the URL may end in the account",
    ),
    member(
        "management_endpoint",
        ASKED,
        "a URL without a path",
        "the cloud's own",
        "where doctor asks whom its buckets tell: of `s3` SQS, EventBridge and Lambda, of `oci` Events and Identity, of `azure` the management, of `gcs` Pub/Sub",
    ),
    member(
        "resource_id",
        &[Azure],
        "`/subscriptions/…/storageAccounts/NAME`",
        "doctor cannot ask whom its containers tell",
        "the resource id of the storage account",
    ),
    member(
        "region",
        &[S3, Oci],
        "a name, or `auto`",
        "`auto`",
        "where its buckets are; `oci` needs it where there is no `endpoint`",
    ),
    member(
        "style",
        &[S3],
        "`path`, `virtual`",
        "`virtual` without `endpoint`, else `path`",
        "where the name of a bucket stands: in the path or in the host's name",
    ),
    member(
        "plus",
        &[S3],
        "`space`, `plus`",
        "asked of the store",
        "what a `+` means in the encoded keys of its listings",
    ),
    member(
        "ca_file",
        ASKED,
        "a path",
        "",
        "PEM file of certificates that are trusted in addition to the public authorities",
    ),
    member("connect_timeout", ASKED, "1ms to 1h", "3s", "the longest that opening a connection may take"),
    member("timeout", ASKED, "1ms to 1h", "30s", "the longest that one request may take"),
    member("access_key_id", &[S3], "a text", "", "whose key it is; with `secret_access_key_file`"),
    member("secret_access_key_file", &[S3], "a path", "", "file with that key"),
    member(
        "session_token_file",
        &[S3],
        "a path",
        "",
        "file with the token that belongs to a key for a limited time",
    ),
    member(
        "profile",
        &[S3],
        "a name",
        "`AWS_PROFILE`, else `default`",
        "the profile in `~/.aws` that is used where no key is given",
    ),
    member("account", &[Azure], "a name", "required without `endpoint`", "the storage account"),
    member("account_key_file", &[Azure], "a path", "", "file with a key of the account"),
    member("sas_token_file", &[Azure], "a path", "", "file with a shared access signature"),
    member("credentials_file", &[Gcs], "a path", "", "file with the JSON credentials of a service account"),
    member("access_token_file", &[Gcs], "a path", "", "file with an access token"),
    member("namespace", &[Oci], "a text", "asked of OCI", "the namespace of the tenancy's buckets"),
    member(
        "tenancy",
        &[Oci],
        "an OCID",
        "",
        "whose user it is; with `user`, `fingerprint`, `private_key_file`",
    ),
    member("user", &[Oci], "an OCID", "", "whose key it is"),
    member("fingerprint", &[Oci], "a text", "", "the fingerprint of the key, as the console shows it"),
    member(
        "private_key_file",
        &[Oci],
        "a path",
        "",
        "file with the private key, PKCS#8 in PEM, without a password",
    ),
    member(
        "path",
        &[Directory],
        "an absolute path",
        "required",
        "the tree; `{bucket}` in it stands for the name of a bucket",
    ),
];

/// The names of the members that a kind has.
pub(super) fn of(kind: Kind) -> Vec<&'static str> {
    MEMBERS.iter().filter(|m| m.kinds.is_empty() || m.kinds.contains(&kind)).map(|m| m.name).collect()
}
