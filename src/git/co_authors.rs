//! The people behind commits that become one commit, for its `Co-authored-by` trailers.

use crate::git::identity::{Person, Role};
use crate::git::store::{Store, StoreError};
use crate::merge::oid::Oid;

/// The trailer that GitHub and GitLab read.
const TRAILER: &str = "Co-authored-by: ";

impl Store {
    /// Renders a trailer for every author of the commits reachable from `tip` and not from `base`,
    /// and for those their messages name, the first first. The user and dispatch are left out.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub fn co_authors(&self, tip: Oid, base: Oid) -> Result<String, StoreError> {
        let user = self.repo.user.person(Role::Author).map(render);
        let own = [user, Some(render(&Person::dispatch()))];
        let mut found: Vec<String> = Vec::new();
        for (oid, _) in self.commits_above(tip, Some(base))?.into_iter().rev() {
            let commit = self.read_commit(oid)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let author = render(&Person {
                name: text(&commit.author.name),
                email: text(&commit.author.email),
            });
            let message = text(&commit.message);
            let named = message
                .lines()
                .filter_map(|line| line.strip_prefix(TRAILER));
            let named = named.map(|name| name.trim().to_owned());
            for name in std::iter::once(author).chain(named) {
                if !own.contains(&Some(name.clone())) && !found.contains(&name) {
                    found.push(name);
                }
            }
        }
        let lines = found.iter().map(|name| format!("{TRAILER}{name}\n"));
        Ok(lines.collect())
    }
}

fn render(who: &Person) -> String {
    format!("{} <{}>", who.name, who.email)
}
