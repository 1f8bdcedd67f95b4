//! An answer in the form that a function's platform makes an HTTP response of.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::answers::Answer;

/// The platforms' forms of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Function URLs, API Gateway in both formats, and `fn-shim`. A document without `statusCode` would be sent with 200
    /// (Amazon, "Lambda function response for format 2.0").
    Gateway,
    /// A load balancer of Amazon, which wants every header as a list if it has handed them on so.
    LoadBalancer {
        /// Whether it has.
        several: bool,
    },
    /// The Functions host: the output binding of the response, which is named `res`
    /// (<https://learn.microsoft.com/en-us/azure/azure-functions/functions-custom-handlers>).
    FunctionsHost,
}

impl Form {
    /// The answer in this form.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn reply(self, answer: &Answer) -> Result<Box<RawValue>, serde_json::Error> {
        let headers: BTreeMap<_, _> = answer.headers().collect();
        let (status, body) = (answer.status, answer.body());
        to_raw_value(&match self {
            Self::Gateway => {
                json!({ "statusCode": status, "headers": headers, "body": body, "isBase64Encoded": false })
            }
            Self::LoadBalancer { several } => {
                let described =
                    StatusCode::from_u16(status).map_or_else(|_| status.to_string(), |s| s.to_string());
                let mut reply = json!({
                    "statusCode": status, "statusDescription": described, "body": body, "isBase64Encoded": false,
                });
                if several {
                    let lists: BTreeMap<_, _> = headers.iter().map(|(name, value)| (name, [value])).collect();
                    reply["multiValueHeaders"] = json!(lists);
                } else {
                    reply["headers"] = json!(headers);
                }
                reply
            }
            Self::FunctionsHost => json!({
                "Outputs": { "res": { "statusCode": status.to_string(), "headers": headers, "body": body } },
                "Logs": [],
                "ReturnValue": Value::Null,
            }),
        })
    }
}
