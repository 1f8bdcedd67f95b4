//! The troubles: each lasts for two attempts of every sender, is mended, and then nothing has been lost.

use std::path::Path;

use drive::TokenSigner;
use mdss_sim::{Away, Config, DEFAULT_API_KEY, UnitState};

use serde_json::json;

use super::*;

/// What is wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Nobody listens where MDSS is.
    Away,
    /// MDSS knows the API key no more.
    WrongKey,
    /// No route names the bucket.
    Unmapped,
    /// MDSS refuses every object: real-time processing is off.
    Refuses,
    /// The keys by which the gate knows senders cannot be fetched.
    NoKeys,
}

const OPEN: &str = "\"none\"";

/// A check of tokens, with the keys at an address or in a file.
fn tokens(keys: &str) -> String {
    format!(
        "{{ jwt = {{ issuer_url = \"https://issuer.example\", {keys}, audience = \"relay\", claims = {{ sub = \"poster\" }} }} }}"
    )
}

/// A token that is good, once somebody has the key.
fn token() -> String {
    let now = jiff::Timestamp::now().as_second();
    let header = json!({ "alg": "RS256", "kid": "k", "typ": "JWT" });
    let claims = json!({ "iss": "https://issuer.example", "aud": "relay", "sub": "poster", "iat": now, "exp": now + 600 });
    format!("Bearer {}", TokenSigner::one().rs256(&header.to_string(), &claims.to_string()))
}

/// A server in trouble, and what mends it.
struct Scene {
    trouble: Trouble,
    folder: tempfile::TempDir,
    senders: Vec<&'static Sender>,
    events: Vec<Event>,
    away: Option<Away>,
    sim: Option<Sim>,
    spooled: bool,
    token: String,
}

impl Scene {
    async fn set(trouble: Trouble, senders: Vec<&'static Sender>, spooled: bool) -> (Self, Server) {
        let folder = tempfile::tempdir().unwrap();
        let events = senders.iter().map(|sender| Event::of(sender)).collect();
        let mut scene =
            Self { trouble, folder, senders, events, away: None, sim: None, spooled, token: token() };
        let url = match trouble {
            Trouble::Away => {
                let away = Away::new().unwrap();
                let url = away.url();
                scene.away = Some(away);
                url
            }
            Trouble::Refuses => {
                let off = |unit: Unit| Unit { state: UnitState::NotEnabled, ..unit };
                let config = Config { units: units().into_iter().map(off).collect(), ..Config::default() };
                scene.start_sim(config).await
            }
            Trouble::WrongKey | Trouble::Unmapped | Trouble::NoKeys => scene.start_sim(healthy()).await,
        };
        let bucket = if matches!(trouble, Trouble::Unmapped) { "nowhere" } else { "*" };
        let key = if matches!(trouble, Trouble::WrongKey) { "an-old-key" } else { DEFAULT_API_KEY };
        let auth = match trouble {
            // Nobody listens there.
            Trouble::NoKeys => {
                let away = Away::new().unwrap();
                let auth = tokens(&format!("jwks_url = \"{}\", allow_http = true", away.url()));
                scene.away = Some(away);
                auth
            }
            _ => OPEN.to_owned(),
        };
        scene.write("relay.toml", &config(&scene.senders, bucket, &auth));
        scene.write("key", key);
        let server = scene.start(&url).await;
        (scene, server)
    }

    async fn start_sim(&mut self, config: Config) -> String {
        let sim = Sim::start(config).await.unwrap();
        let url = sim.url();
        self.sim = Some(sim);
        url
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    async fn start(&self, url: &str) -> Server {
        let folder: &Path = self.folder.path();
        let mut program = program(url, folder);
        if self.spooled {
            program = program.env("RELAY_MODE", "spooled").env("RELAY_DATA_DIR", folder.join("data"));
        }
        Server::start(&program, LIMIT).await.unwrap()
    }

    /// Mends what is wrong, as an operator would; the server may be another one then.
    async fn mend(&mut self, mut server: Server) -> Server {
        match self.trouble {
            Trouble::Away => self.sim = Some(self.away.take().unwrap().back(healthy()).await.unwrap()),
            Trouble::Refuses => {
                let sim = self.sim.take().unwrap();
                let listen = sim.addr();
                sim.stop().await;
                self.sim = Some(Sim::start(Config { listen, ..healthy() }).await.unwrap());
            }
            Trouble::WrongKey => self.write("key", DEFAULT_API_KEY),
            Trouble::Unmapped | Trouble::NoKeys => {
                let auth = match self.trouble {
                    Trouble::NoKeys => {
                        self.write(
                            "keys.json",
                            &json!({ "keys": [TokenSigner::one().rsa_key("k")] }).to_string(),
                        );
                        tokens(&format!("jwks_file = {:?}", self.folder.path().join("keys.json")))
                    }
                    _ => OPEN.to_owned(),
                };
                self.write("relay.toml", &config(&self.senders, "*", &auth));
                server.process.signal("HUP").unwrap();
                server.process.wait_for_line("a new configuration is in force", LIMIT).await.unwrap();
            }
        }
        // What is held waits for an operator, and a start makes all of it due.
        if self.spooled {
            server.process.signal("TERM").unwrap();
            server.process.wait(LIMIT).await.unwrap();
            let url = self.sim.as_ref().unwrap().url();
            server = self.start(&url).await;
        }
        server
    }

    /// Each sender posts once; who has not been content before.
    async fn round(&self, server: &Server, left: &[usize]) -> Vec<usize> {
        let posts =
            left.iter().map(|index| post(server, self.senders[*index], &self.events[*index], &self.token));
        let heard = futures_util::future::join_all(posts).await;
        left.iter().zip(heard).filter(|(_, heard)| *heard != Heard::Taken).map(|(index, _)| *index).collect()
    }

    fn has(&self, index: usize) -> bool {
        self.sim.as_ref().is_some_and(|sim| has(sim, self.senders[index], &self.events[index]))
    }
}

fn healthy() -> Config {
    Config { units: units(), ..Config::default() }
}

/// Who is answered when MDSS has answered: nobody hears "done" as long as it has not, and nobody gives up meanwhile.
async fn directly(trouble: Trouble) {
    let senders: Vec<_> = SENDERS.iter().filter(|sender| sender.can_wait()).collect();
    let (mut scene, server) = Scene::set(trouble, senders, false).await;
    let all: Vec<usize> = (0..scene.senders.len()).collect();
    for attempt in 1..=2 {
        let left = scene.round(&server, &all).await;
        let early: Vec<_> =
            all.iter().filter(|i| !left.contains(i)).map(|i| scene.senders[*i].dialect).collect();
        assert_eq!(early, [""; 0], "{trouble:?}: these heard \"done\" at attempt {attempt}");
    }
    let server = scene.mend(server).await;
    let mut left = all.clone();
    let mut attempt = 2;
    while !left.is_empty() {
        attempt += 1;
        let over: Vec<_> = left
            .iter()
            .filter(|i| scene.senders[**i].attempts < attempt)
            .map(|i| scene.senders[*i].dialect)
            .collect();
        assert_eq!(over, [""; 0], "{trouble:?}: these have posted as often as they do");
        left = scene.round(&server, &left).await;
    }
    let lost: Vec<_> = all.iter().filter(|i| !scene.has(**i)).map(|i| scene.senders[*i].dialect).collect();
    assert_eq!(lost, [""; 0], "{trouble:?}: MDSS never got the objects of these");
}

/// Who cannot wait: the first answer is success, in time, and the object reaches MDSS when the trouble is over.
async fn from_disk(trouble: Trouble) {
    let (mut scene, server) = Scene::set(trouble, SENDERS.iter().collect(), true).await;
    let all: Vec<usize> = (0..scene.senders.len()).collect();
    let left = scene.round(&server, &all).await;
    let left: Vec<_> = left.into_iter().map(|i| scene.senders[i].dialect).collect();
    assert_eq!(left, [""; 0], "{trouble:?}: these did not hear \"done\"");
    let early: Vec<_> = all.iter().filter(|i| scene.has(**i)).map(|i| scene.senders[*i].dialect).collect();
    assert_eq!(early, [""; 0], "{trouble:?}: this is no trouble for these");
    let _server = scene.mend(server).await;
    let arrived = drive::until("every object", LIMIT, async || all.iter().all(|i| scene.has(*i))).await;
    let lost: Vec<_> = all.iter().filter(|i| !scene.has(**i)).map(|i| scene.senders[*i].dialect).collect();
    assert!(arrived.is_ok(), "{trouble:?}: MDSS never got the objects of {lost:?}");
}

#[tokio::test]
async fn mdss_is_away() {
    directly(Trouble::Away).await;
    from_disk(Trouble::Away).await;
}

#[tokio::test]
async fn mdss_knows_another_key() {
    directly(Trouble::WrongKey).await;
    from_disk(Trouble::WrongKey).await;
}

#[tokio::test]
async fn no_route_names_the_bucket() {
    directly(Trouble::Unmapped).await;
    from_disk(Trouble::Unmapped).await;
}

#[tokio::test]
async fn mdss_refuses() {
    directly(Trouble::Refuses).await;
    from_disk(Trouble::Refuses).await;
}

/// The gate comes before the disk, so this is of senders that come again alone.
#[tokio::test]
async fn the_keys_of_the_gate_cannot_be_fetched() {
    directly(Trouble::NoKeys).await;
}

/// Who cannot wait is named at the start of a server that answers when MDSS has answered, and of no other.
#[tokio::test]
async fn who_cannot_wait_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), DEFAULT_API_KEY).unwrap();
    std::fs::write(folder.path().join("relay.toml"), config(&SENDERS.iter().collect::<Vec<_>>(), "*", OPEN))
        .unwrap();
    let program = program("http://127.0.0.1:1", folder.path()).env("RELAY_DEADLINE", "25s");
    let spooled =
        program.clone().env("RELAY_MODE", "spooled").env("RELAY_DATA_DIR", folder.path().join("data"));
    for (program, warns) in [(program, true), (spooled, false)] {
        let mut server = Server::start(&program, LIMIT).await.unwrap();
        server.process.wait_for_line("listening on", LIMIT).await.unwrap();
        let log = server.process.output();
        for sender in SENDERS {
            let warned = log.contains(&format!("the sender of {} ", sender.dialect));
            assert_eq!(warned, warns && sender.is_warned_about(), "{}: {log}", sender.dialect);
        }
    }
}
