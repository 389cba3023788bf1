//! A launch that needs the approval of somebody else: the request is recorded, and the person is told what to hand over.

use epm_policy::Approval;

use super::{Conversation, Refusal};
use crate::broker::limits::MAX_JUSTIFICATION_CHARS;
use crate::broker::protocol::PromptKind;
use crate::broker::record::Settled;
use crate::broker::visible::visible;

impl Conversation<'_> {
    /// Approvals that the device holds.
    pub(super) fn approvals(&self) -> impl Iterator<Item = Approval> {
        let usable = self.broker.approvals.usable().into_iter();
        usable.map(|signed| signed.approval())
    }

    /// Why the person needs it, for whoever approves; none where nobody is there to say. What is too long is cut, so that
    /// a request is never lost for its words.
    pub(super) fn reason_of_request(
        &mut self,
        settled: &Settled<'_>,
    ) -> Result<Option<String>, Refusal> {
        let shown = visible(&settled.launch.file.path.to_string_lossy());
        let reason = match &settled.ask.reason {
            Some(reason) => Some(reason.clone()),
            None if settled.ask.terminal => {
                let text = format!("Your support has to approve {shown}. Why do you need it? ");
                self.prompt(PromptKind::Justification, text)?
            }
            None => None,
        };
        let cut = |reason: String| {
            reason
                .trim()
                .chars()
                .take(MAX_JUSTIFICATION_CHARS)
                .collect()
        };
        Ok(reason.map(cut).filter(|reason: &String| !reason.is_empty()))
    }

    /// In words for the person.
    pub(super) fn how_to_ask(&self, settled: &Settled<'_>) -> String {
        let launch = settled.launch;
        let shown = visible(&launch.file.path.to_string_lossy());
        let hash = launch.file.as_policy().sha256;
        let hash = hash.map(|hash| hash.to_string()).unwrap_or_default();
        let device = launch.device.id.as_ref().map(|id| id.as_str());
        format!(
            "{shown} needs the approval of your support. The request was recorded; run the same command again once it is \
             approved.\n  If you ask by hand, hand over: --user {} --device {} --file-hash {hash}",
            launch.person.id.as_str(),
            device.unwrap_or_default(),
        )
    }
}
