//! Asks the user before something starts or lands, or hands out a token for the confirming call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationSchema, InputRequest, InputRequests, InputRequiredResult,
    ServerRequest,
};
use rmcp::service::RequestContext;

use crate::mcp::closing::Closing;
use crate::mcp::folder::asks_in_answers;

/// The key of the question for a confirmation.
const CONFIRM: &str = "confirm";

/// The number of proposals that may wait for a confirmation; older ones are forgotten.
const MOST_WAITING: usize = 64;

/// The answer of the user.
pub(super) enum Consent {
    /// Yes.
    Given,
    /// No.
    Declined,
    /// The question was dismissed without an answer.
    Dismissed,
    /// The client cannot ask.
    Unasked,
    /// The client has to ask, and to send the answer with the same call.
    Asked(InputRequiredResult),
}

/// Proposals that wait for a confirmation, each under a token. A token is good for one use, for one
/// proposal, and as long as this server lives.
#[derive(Clone, Default)]
pub(super) struct Proposals(Arc<Mutex<VecDeque<Proposal>>>);

struct Proposal {
    token: String,
    content: String,
}

/// Proposals that were shown, each with its question. Only these can be confirmed without a token.
#[derive(Clone, Default)]
pub(super) struct Shown(Arc<Mutex<VecDeque<(String, String)>>>);

impl Shown {
    /// Keeps a proposal and its question.
    pub(super) fn keep(&self, content: &str, question: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(kept, _)| kept != content);
        if all.len() == MOST_WAITING {
            all.pop_front();
        }
        all.push_back((content.to_owned(), question.to_owned()));
    }

    /// Returns the question of exactly this proposal, if it was shown.
    pub(super) fn question(&self, content: &str) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|(kept, _)| kept == content);
        found.map(|(_, question)| question.clone())
    }
}

impl Proposals {
    /// Keeps a proposal and returns its token.
    pub(super) fn keep(&self, content: &str) -> String {
        let mut random = fastrand::Rng::new();
        let letters = (0..12).map(|_| random.lowercase());
        let token: String = letters.collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == MOST_WAITING {
            all.pop_front();
        }
        all.push_back(Proposal {
            token: token.clone(),
            content: content.to_owned(),
        });
        token
    }

    /// Uses up a token: `true` if it belongs to exactly this proposal. A token of another proposal
    /// stays good for that one.
    pub(super) fn redeem(&self, token: &str, content: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |kept: &Proposal| kept.token == token && kept.content == content;
        match all.iter().position(is_it) {
            Some(at) => all.remove(at).is_some(),
            None => false,
        }
    }

    /// Returns `true` if a proposal waits under this token.
    pub(super) fn has(&self, token: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|kept| kept.token == token)
    }

    /// Asks the user about a proposal, if the client can.
    pub(super) async fn ask(
        &self,
        request: &CallToolRequestParams,
        (context, closing): (&RequestContext<RoleServer>, &Closing),
        content: &str,
        question: &str,
    ) -> Consent {
        if !can_ask(context) {
            return Consent::Unasked;
        }
        if !asks_in_answers(context) {
            return ask_now(context, closing, question).await;
        }
        let answer = request
            .input_responses
            .as_ref()
            .and_then(|all| all.get(CONFIRM));
        let token = request.request_state.as_deref().unwrap_or_default();
        match answer {
            // An answer to another question is none to this one.
            Some(answer) if self.redeem(token, content) => {
                let answer: Option<ElicitResult> = serde_json::from_value(answer.clone()).ok();
                answer.map_or(Consent::Dismissed, |answer| consent_of(answer.action))
            }
            _ => {
                let question = InputRequest::Elicitation(elicitation(question));
                let requests = InputRequests::from([(CONFIRM.to_owned(), question)]);
                let token = self.keep(content);
                Consent::Asked(InputRequiredResult::new(Some(requests), Some(token)))
            }
        }
    }
}

/// Returns `true` if the client shows forms to the user.
fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let capabilities = context.client_capabilities();
    let elicitation = capabilities.and_then(|all| all.elicitation);
    // Without any mode it is the form, the only mode of older clients.
    elicitation.is_some_and(|modes| modes.form.is_some() || modes.url.is_none())
}

async fn ask_now(
    context: &RequestContext<RoleServer>,
    closing: &Closing,
    question: &str,
) -> Consent {
    let request = ServerRequest::ElicitRequest(elicitation(question));
    let answer = tokio::select! {
        answer = context.peer.send_request(request) => answer,
        () = context.ct.cancelled() => return Consent::Dismissed,
        () = closing.closed() => return Consent::Dismissed,
    };
    match answer {
        Ok(ClientResult::ElicitResult(answer)) => consent_of(answer.action),
        // A client that announces forms and cannot show one leaves the decision to the next call.
        _ => Consent::Unasked,
    }
}

fn consent_of(action: ElicitationAction) -> Consent {
    match action {
        ElicitationAction::Accept => Consent::Given,
        ElicitationAction::Decline => Consent::Declined,
        _ => Consent::Dismissed,
    }
}

/// Builds a question that is answered with yes or no: a form without fields.
fn elicitation(question: &str) -> ElicitRequest {
    ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question.to_owned(),
        requested_schema: ElicitationSchema::new(Default::default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_and_for_its_own_proposal() {
        let proposals = Proposals::default();
        let (one, two) = (proposals.keep("plan one"), proposals.keep("plan two"));
        assert_ne!(one, two);
        assert!(!proposals.redeem(&one, "plan two"));
        assert!(!proposals.redeem("invented", "plan one"));
        assert!(proposals.has(&one));
        assert!(proposals.redeem(&one, "plan one"));
        assert!(!proposals.redeem(&one, "plan one"));
        assert!(!proposals.has(&one));
        assert!(proposals.redeem(&two, "plan two"));
    }

    #[test]
    fn the_oldest_proposals_are_forgotten() {
        let proposals = Proposals::default();
        let first = proposals.keep("first");
        let last: Vec<String> = (0..MOST_WAITING).map(|_| proposals.keep("more")).collect();
        assert!(!proposals.has(&first));
        assert!(proposals.redeem(&last[0], "more"));
    }
}
