//! The functions of the clouds that call a function over a port, or let it ask for its events.

use drive::{Process, Program};

use crate::world::{LIMIT, Result, Target, World, free_address};

/// A function in one of the ways in which its platform runs it.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    /// What it is called here.
    pub(crate) name: &'static str,
    pub(crate) binary: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// It listens; the name under which `replay` knows its platform.
    Port(&'static str),
    /// It asks: `replay`'s option, and the variables that say where its runtime API is.
    Asks { option: &'static str, variables: fn(&str) -> Vec<(&'static str, String)> },
}

pub(crate) const LAMBDA: Way = Way {
    name: "mdss-relay-lambda",
    binary: "mdss-relay-lambda",
    how: How::Asks {
        option: "--runtime-api",
        variables: |address| {
            vec![
                ("AWS_LAMBDA_RUNTIME_API", address.to_owned()),
                ("AWS_LAMBDA_FUNCTION_NAME", "mdss-relay".to_owned()),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
            ]
        },
    },
};

pub(crate) const ALIBABA: Way =
    Way { name: "mdss-relay-alibaba-fc", binary: "mdss-relay-alibaba-fc", how: How::Port("alibaba-fc") };

pub(crate) const TENCENT: Way = Way {
    name: "mdss-relay-tencent-scf",
    binary: "mdss-relay-tencent-scf",
    how: How::Asks {
        option: "--scf-runtime-api",
        variables: |address| {
            let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
            vec![("SCF_RUNTIME_API", host.to_owned()), ("SCF_RUNTIME_API_PORT", port.to_owned())]
        },
    },
};

pub(crate) const TENCENT_IMAGE: Way = Way {
    name: "mdss-relay-tencent-scf, image",
    binary: "mdss-relay-tencent-scf",
    how: How::Port("tencent-scf"),
};

pub(crate) const HUAWEI: Way = Way {
    name: "mdss-relay-huawei-functiongraph",
    binary: "mdss-relay-huawei-functiongraph",
    how: How::Asks {
        option: "--functiongraph-runtime-api",
        variables: |address| {
            vec![("RUNTIME_API_ADDR", address.to_owned()), ("RUNTIME_TIMEOUT", "60".to_owned())]
        },
    },
};

pub(crate) const HUAWEI_IMAGE: Way = Way {
    name: "mdss-relay-huawei-functiongraph, image",
    binary: "mdss-relay-huawei-functiongraph",
    how: How::Port("huawei-functiongraph"),
};

pub(crate) const VOLCENGINE: Way = Way {
    name: "mdss-relay-volcengine-faas",
    binary: "mdss-relay-volcengine-faas",
    how: How::Port("volcengine-faas"),
};

/// A function that `replay` can reach. One that listens runs as long as this is there.
pub(crate) struct Function {
    way: Way,
    program: Program,
    /// The process and its address, if it listens.
    listening: Option<(Process, String)>,
}

impl Function {
    pub(crate) async fn start(world: &World, way: Way) -> Result<Self> {
        let program = world.relay(way.binary);
        let listening = match way.how {
            How::Port(_) => {
                let address = free_address()?;
                // On the platform it listens on all addresses; here nobody else has to reach it.
                let mut process = program.clone().env("PORT_SHIM_LISTEN", &address).start()?;
                process.wait_for_line("listening on", LIMIT).await?;
                Some((process, address))
            }
            How::Asks { .. } => None,
        };
        Ok(Self { way, program, listening })
    }

    pub(crate) fn target(&self) -> Target<'_> {
        match (self.way.how, &self.listening) {
            (How::Port(platform), Some((_, address))) => Target::Port { address, platform },
            (How::Asks { option, variables }, _) => {
                Target::RuntimeApi { option, program: &self.program, variables }
            }
            (How::Port(_), None) => unreachable!("a function that listens was started"),
        }
    }
}
