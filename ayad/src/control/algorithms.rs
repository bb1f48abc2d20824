//! `GET /v1/algorithms`.

use aya_api::error::ApiError;
use aya_api::view::{AlgorithmInfo, ParamInfo};
use aya_core::pick::{PICKERS, ParamSpec, Share};

use super::server::Reply;
use crate::config::raw::auto::AUTO;

/// Answers with the table of algorithms.
pub(super) fn handle() -> Result<Reply, ApiError> {
    let all = PICKERS.iter().map(|picker| AlgorithmInfo {
        name: picker.name.to_owned(),
        summary: picker.summary.to_owned(),
        when: picker.when.to_owned(),
        share: picker.share.as_str().to_owned(),
        params: picker.params.iter().map(param).collect(),
    });
    let auto = AlgorithmInfo {
        name: AUTO.to_owned(),
        summary: "chooses among algorithms by what they would have got, on trial, and by rules".to_owned(),
        when: "no one algorithm is known to fit; its arms stand in the configuration".to_owned(),
        share: Share::Adapts.as_str().to_owned(),
        params: Vec::new(),
    };
    Reply::json(&all.chain([auto]).collect::<Vec<_>>(), None)
}

fn param(spec: &ParamSpec) -> ParamInfo {
    ParamInfo {
        name: spec.name.to_owned(),
        about: spec.about.to_owned(),
        default: spec.show(spec.default),
        accepted: spec.accepted(),
    }
}
