//! `GET /v1/algorithms`.

use aya_api::error::ApiError;
use aya_api::view::{AlgorithmInfo, ParamInfo};
use aya_core::pick::{PICKERS, ParamSpec};

use super::server::Reply;

/// Answers with the table of algorithms.
pub(super) fn handle() -> Result<Reply, ApiError> {
    let all = PICKERS.iter().map(|picker| AlgorithmInfo {
        name: picker.name.to_owned(),
        summary: picker.summary.to_owned(),
        when: picker.when.to_owned(),
        share: picker.share.as_str().to_owned(),
        params: picker.params.iter().map(param).collect(),
    });
    Reply::json(&all.collect::<Vec<_>>(), None)
}

fn param(spec: &ParamSpec) -> ParamInfo {
    ParamInfo {
        name: spec.name.to_owned(),
        about: spec.about.to_owned(),
        default: spec.show(spec.default),
        accepted: spec.accepted(),
    }
}
