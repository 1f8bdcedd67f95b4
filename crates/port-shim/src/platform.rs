//! The platforms, as facts.

pub(crate) mod alibaba_fc;
pub(crate) mod azure_functions;
pub(crate) mod huawei_functiongraph;
pub(crate) mod tencent_scf;
pub(crate) mod volcengine_faas;
pub(crate) mod yandex_containers;
