//! Where a setting means something.

/// Where a setting means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// In every process.
    Everywhere,
    /// In every process, unless the configuration has `[[route]]`.
    WithoutRoutes,
    /// In the function of OCI.
    OciFunction,
    /// In the function of Azure Functions.
    AzureFunctions,
    /// In the functions of OCI and of Azure Functions.
    OciAndAzure,
    /// In the function of Lambda.
    Lambda,
    /// In the functions of Alibaba Cloud, Tencent Cloud, Huawei Cloud and Volcengine. No setting is theirs alone.
    OtherFunctions,
    /// In the HTTP server.
    Http,
    /// In the HTTP server, and in a function whose configuration has `[[source]]`.
    Requests,
    /// In the HTTP server, unless the configuration has `[[source]]`.
    HttpWithoutSources,
    /// In the HTTP server with a spool.
    Spooled,
}

impl Applies {
    /// Whether what applies here means something in a process of this kind.
    pub(super) fn covers(self, process: Self) -> bool {
        match self {
            Self::Everywhere | Self::WithoutRoutes => true,
            // The others let no HTTP requests in.
            Self::Requests => process != Self::OtherFunctions,
            Self::HttpWithoutSources | Self::Spooled => process == Self::Http,
            Self::OciAndAzure => matches!(process, Self::OciFunction | Self::AzureFunctions),
            only @ (Self::OciFunction
            | Self::AzureFunctions
            | Self::Lambda
            | Self::OtherFunctions
            | Self::Http) => process == only,
        }
    }

    /// Its name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::WithoutRoutes => "without `[[route]]`",
            Self::OciFunction => "OCI function",
            Self::AzureFunctions => "Azure Functions",
            Self::OciAndAzure => "OCI function, Azure Functions",
            Self::Lambda => "Lambda",
            Self::OtherFunctions => "functions of Alibaba Cloud, Tencent Cloud, Huawei Cloud, Volcengine",
            Self::Http => "HTTP",
            Self::Requests => "HTTP, and functions with `[[source]]`",
            Self::HttpWithoutSources => "HTTP without `[[source]]`",
            Self::Spooled => "HTTP, spooled",
        }
    }
}
