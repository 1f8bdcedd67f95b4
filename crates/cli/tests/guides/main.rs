//! The guides, run as they are printed: every block of commands of a page, in order, in one shell, on a machine made for it.
//!
//! The machine is a root of its own in namespaces of its own ([`world`]): `/etc/mdss-relay`, `/usr/bin` and port 443 are what the guide
//! says, and nothing of it is left. The relay, its tool and the stand-in for MDSS are real. `world/bin` stands in for the rest, among
//! it systemd, and `world/given/PAGE.sh` is what the page's reader has before he begins, and what must have come of it in the end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]
#![allow(clippy::print_stdout, reason = "what was run and what was not is shown with --nocapture")]

mod page;
mod world;

use drive::available;
use page::Use;

/// Of the blocks that a reader runs, the test may leave out one in this many.
const ONE_IN: usize = 3;

/// Runs a page, and fails with what it printed.
fn follow(name: &str) {
    follow_text(name, &read(name));
}

fn read(name: &str) -> String {
    std::fs::read_to_string(world::repository().join(name)).unwrap()
}

fn follow_text(name: &str, text: &str) {
    let blocks = page::blocks(text).unwrap_or_else(|wrong| panic!("{name}: {}", wrong.join("\n")));
    let count = |what: fn(&Use) -> bool| blocks.iter().filter(|block| what(&block.used)).count();
    let (typed, written) = (count(|u| *u == Use::Typed), count(|u| matches!(u, Use::Written { .. })));
    let excused = count(|u| matches!(u, Use::NotRun(_)));
    println!("{name}: {typed} blocks run, {written} files written, {excused} not run");
    for block in &blocks {
        if let Use::NotRun(why) = &block.used {
            println!("{name}:{}: not run: {why}", block.line);
        }
    }
    assert!(
        excused * ONE_IN <= typed + written + excused,
        "{name}: {excused} blocks are not run, which is too many"
    );
    world::run(name, &blocks);
}

macro_rules! guides {
    ($($name:ident: $page:literal,)*) => {$(
        #[test]
        fn $name() {
            follow($page);
        }
    )*};
}

guides! {
    alibaba: "docs/alibaba.md",
    aws: "docs/aws.md",
    azure: "docs/azure.md",
    cloudflare: "docs/cloudflare.md",
    from_the_vendor_function: "docs/from-the-vendor-function.md",
    google: "docs/google.md",
    huawei: "docs/huawei.md",
    jdcloud: "docs/jdcloud.md",
    logging: "docs/logging.md",
    minio: "docs/minio.md",
    notifications: "docs/notifications.md",
    oci: "docs/oci.md",
    operation: "docs/operation.md",
    other_stores: "docs/other-stores.md",
    readme: "README.md",
    tencent: "docs/tencent.md",
}

const KUBERNETES: &str = "docs/kubernetes.md";

/// Helm, which `.ci/kubernetes` puts where this looks for it.
fn with_helm() -> bool {
    let built =
        std::path::Path::new(env!("CARGO_BIN_EXE_mdss-relay")).parent().and_then(std::path::Path::parent);
    available("helm", built.unwrap().join("kubernetes/bin/helm").is_file()).unwrap()
}

/// A server, which plays the database of the guide.
fn with_postgres() -> bool {
    let server = std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| versions.next().is_some());
    available("postgres", server).unwrap()
}

#[test]
fn kubernetes() {
    if with_helm() && with_postgres() {
        follow(KUBERNETES);
    }
}

/// Its Deployment becomes a StatefulSet; all else is the same.
#[test]
fn kubernetes_without_a_database() {
    let text = read(KUBERNETES);
    let other = text.replace("\n  engine: postgresql\n", "\n  engine: sqlite\n");
    assert_ne!(text, other);
    if with_helm() && with_postgres() {
        follow_text(KUBERNETES, &other);
    }
}
