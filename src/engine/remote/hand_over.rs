//! Hands an attempt to its engine: pushes the package, takes a slot, starts the job.

use std::sync::Arc;
use std::time::Instant;

use crate::base::fault;
use crate::base::text::{error_chain, one_line};
use crate::engine::remote::attempt::{Next, Progressed, RemoteAttempt};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::failure;
use crate::engine::remote::job_record::JobRecord;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::package::Package;
use crate::engine::remote::transport::Created;
use crate::exec::engine::{EngineFault, NewJob};
use crate::git::Store;
use crate::git::object_hash::digest;
use crate::merge::oid::Oid;

/// The number of times that a package is pushed to a remote that refuses it.
const PUSHES: u32 = 3;

impl RemoteAttempt {
    /// Pushes the package and starts the job, as soon as there is a slot.
    pub(super) async fn hand_over(&self, now: &mut Progressed) -> Result<Next, RemoteError> {
        if self.context.is_stopping() || self.cancel.is_cancelled() {
            // A second request does not move the first.
            let _ = now.stop.asked.set(Instant::now());
            return match now.package {
                // Nothing is known of a job, but there may be one.
                Some(package) => self.give_up(now, package, failure::stopped()).await,
                None => Ok(Next::Over(Some(Box::new(failure::stopped())))),
            };
        }
        if now.slot.is_none() {
            now.slot = self.fleet.take_slot(self.label.as_deref());
        }
        let Some(slot) = &now.slot else {
            self.note(
                now,
                format!("waits for a slot of {}", self.fleet.profile.name),
            );
            return Ok(Next::Wait);
        };
        let host = slot.host.clone();
        let package = match now.package {
            Some(package) => package,
            None => match self.push_package(now).await? {
                Some(package) => package,
                None => return Ok(Next::Wait),
            },
        };
        let mut record = JobRecord {
            package,
            host: host.clone(),
            job: None,
        };
        record.save(&self.folder())?;
        fault::point("remote", "before its job starts");
        let (fleet, job) = (Arc::clone(&self.fleet), self.new_job(package, host.clone()));
        match off_loop(move || Ok(fleet.engine.submit(&job))).await? {
            Ok(job) => {
                fault::point("remote", "after its job has started");
                record.job = Some(job.clone());
                record.save(&self.folder())?;
                now.host.clone_from(&host);
                self.post_submitted(host);
                now.adopt(&self.fleet, job);
            }
            Err(EngineFault::Unreachable(said)) => {
                if let Some(host) = &host {
                    self.fleet.distrust(host);
                }
                // Another host may answer. If this one did get the job, the claim decides between the two.
                // A cluster is asked for the job before it gets it again.
                now.slot = None;
                if !self.fleet.engine.loses_places() {
                    now.search = Some(Instant::now());
                }
                self.note(
                    now,
                    format!("{} does not answer: {said}", self.fleet.profile.name),
                );
            }
            Err(EngineFault::Refused(said)) => {
                let executor = &self.fleet.profile.name;
                let outcome = failure::refused(
                    one_line(&format!("{executor} does not start the job: {said}")),
                    "`dispatch doctor` checks the executor".to_owned(),
                );
                return self.give_up(now, package, outcome).await;
            }
        }
        Ok(Next::Wait)
    }

    /// Writes the package and pushes it; `None` if the remote may take it later.
    async fn push_package(&self, now: &mut Progressed) -> Result<Option<Oid>, RemoteError> {
        let (context, spec, fleet) = (
            Arc::clone(&self.context),
            Arc::clone(&self.spec),
            Arc::clone(&self.fleet),
        );
        let (name, transport) = (self.refs().package(), self.transport(now));
        let pushed = off_loop(move || {
            let package = Package::of(&context, &spec, &fleet.profile);
            let write = |store: &Store| package.write(&context, store);
            let package = context.repo.with_store(write)?;
            fault::point("remote", "before its package is pushed");
            Ok((package, transport.create(&name, package)?))
        });
        match pushed.await {
            Ok((package, created)) => {
                let package = match created {
                    Created::Yes => package,
                    Created::Exists(earlier) => earlier,
                };
                now.package = Some(package);
                Ok(Some(package))
            }
            Err(error @ RemoteError::Unreachable { .. }) => {
                self.note(now, error_chain(&error));
                Ok(None)
            }
            Err(error @ RemoteError::Refused { .. }) => {
                now.refused += 1;
                match now.refused < PUSHES {
                    true => Ok(None),
                    false => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn new_job(&self, package: Oid, host: Option<String>) -> NewJob {
        let profile = &self.fleet.profile;
        let mut command = vec![
            profile.program.clone(),
            "node-attempt".to_owned(),
            "--package".to_owned(),
            package.to_string(),
            "--user".to_owned(),
            self.user_key(),
        ];
        if let Some(host) = &host {
            command.extend(["--host".to_owned(), host.clone()]);
        }
        command.extend([
            "--".to_owned(),
            self.fleet.node_address.clone(),
            self.refs().folder().to_owned(),
        ]);
        let value = |name: &String| Some((name.clone(), std::env::var(name).ok()?));
        NewJob {
            name: self.name(),
            host,
            command,
            env: profile.env.iter().filter_map(value).collect(),
            env_file: profile.env_file.clone(),
        }
    }

    /// Returns a short text that tells users apart.
    fn user_key(&self) -> String {
        let user = self.context.repo.git().line(&["var", "GIT_AUTHOR_IDENT"]);
        let user = user.unwrap_or_default();
        let person = user.rsplit_once('>').map_or("", |(person, _)| person);
        Oid::from_bytes(digest(person.as_bytes())).to_string()
    }
}
