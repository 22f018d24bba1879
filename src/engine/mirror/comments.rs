//! Reads the comments of an issue, and tells dispatch's own from those of people.

use serde_json::{Value, json};

use crate::engine::mirror::answer::{nodes, text};
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::found::FoundComment;
use crate::engine::mirror::read::{COMMENTS, Reader};
use crate::forge::graphql::GraphQlError;
use crate::report::issue::{is_whole_result, result_digest};

impl Reader<'_> {
    /// Returns all comments of an issue, the oldest first. The issue comes with the latest ones; those
    /// before are read here.
    pub(super) fn comments(&self, issue: &Value) -> Result<Vec<FoundComment>, MirrorError> {
        let mut pages = vec![self.page(&issue["comments"])];
        let mut place = issue["comments"]["pageInfo"].clone();
        let document = format!(
            "query($id:ID!,$before:String){{node(id:$id){{... on Issue{{\
             comments(last:100,before:$before){{{COMMENTS}}}}}}}}}"
        );
        while place["hasPreviousPage"] == true {
            let variables = json!({"id": issue["id"], "before": place["startCursor"]});
            let answer = match self.graphql.call(&document, &variables) {
                // It was deleted meanwhile.
                Err(GraphQlError::NotFound(_)) => break,
                answer => answer?,
            };
            let connection = &answer.data["node"]["comments"];
            pages.push(self.page(connection));
            place = connection["pageInfo"].clone();
        }
        Ok(pages.into_iter().rev().flatten().collect())
    }

    fn page(&self, connection: &Value) -> Vec<FoundComment> {
        nodes(connection).map(|node| self.comment(node)).collect()
    }

    /// Reads a comment. Anyone can write the mark of a result. A comment is dispatch's own if its id is in
    /// the record, or the user of `gh` wrote it, or someone who may write to the repository did and its text
    /// is as dispatch wrote it: in another clone.
    fn comment(&self, node: &Value) -> FoundComment {
        let may_write = ["OWNER", "MEMBER", "COLLABORATOR"];
        let association = node["authorAssociation"].as_str().unwrap_or_default();
        let may_write = may_write.contains(&association);
        let (id, body) = (text(&node["id"]), text(&node["body"]));
        let has_mark = result_digest(&body, self.run).is_some();
        let is_recorded = self.own_comments.contains(&id);
        let is_by_viewer = node["viewerDidAuthor"] == true;
        FoundComment {
            is_own: is_recorded
                || has_mark && (is_by_viewer || may_write && is_whole_result(&body, self.run)),
            id,
            author: text(&node["author"]["login"]),
            is_by_collaborator: may_write && node["author"]["__typename"] == "User",
            text: body,
        }
    }
}
