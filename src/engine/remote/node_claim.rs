//! Fetches and claims an attempt on a node.

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::fault;
use crate::base::files::{self, FileLock};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::remote_refs::RemoteRefs;
use crate::engine::remote::PROTOCOL;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::mirror::Mirror;
use crate::engine::remote::node::{Node, NodeRequest};
use crate::engine::remote::outcome_record::Claim;
use crate::engine::remote::package::Package;
use crate::engine::remote::record_commit::RecordCommit;
use crate::engine::remote::shown::Shown;
use crate::engine::remote::transport::{Created, Transport};
use crate::engine::spec::AttemptSpec;
use crate::exec::local::LocalExecutor;
use crate::git::Repo;
use crate::merge::oid::Oid;
use crate::model::ids::AttemptKey;

impl Node {
    /// Fetches and claims an attempt; `None` if another node has it. Tells if this node had claimed it before.
    pub(super) fn claim(
        request: &NodeRequest,
        clock: Clock,
    ) -> Result<Option<(Node, bool, FileLock)>, RemoteError> {
        let invalid = |why: &str| RemoteError::Invalid {
            what: request.folder.clone(),
            why: why.to_owned(),
        };
        let (run, key) = RemoteRefs::parse(&request.folder)
            .ok_or_else(|| invalid("it is not the folder of an attempt's references"))?;
        let refs = RemoteRefs::of(&run, key);
        let (repo, package) = fetch(request, &refs)?;
        if (package.run.clone(), package.spec.task, package.spec.attempt)
            != (run.clone(), key.0, key.1)
        {
            return Err(invalid("its package is of another attempt"));
        }
        let transport = Transport::new(&repo, &request.address);
        let context = Arc::new(context(repo, &package, clock)?);
        let folder = context.attempt_folder(key.0, key.1);
        let failed = |error| EngineError::File(folder.display().to_string(), error);
        files::private_folder(&folder).map_err(failed)?;
        // Two starts on this node.
        let Some(lock) = FileLock::try_take(&folder.join("node.lock")).map_err(failed)? else {
            return Ok(None);
        };
        let there = transport.list(refs.folder())?;
        if there.contains_key(&refs.outcome()) {
            return Ok(None);
        }
        let note = folder.join("claim");
        let own = files::read_if_exists(&note).map_err(failed)?;
        let own: Option<Oid> = own.and_then(|text| String::from_utf8_lossy(&text).parse().ok());
        let (claim, is_resumed) = match (own, there.get(&refs.claim())) {
            (Some(own), Some(there)) if own == *there => (own, true),
            (_, Some(_)) => return Ok(None),
            (_, None) => {
                let claim = write_claim(&context, request, key)?;
                // Noted first: a claim that is pushed and not noted would be a stranger's.
                files::replace_private(&note, claim.to_string().as_bytes()).map_err(failed)?;
                fault::point("node", "before its claim");
                match transport.clone().quick().create(&refs.claim(), claim)? {
                    Created::Yes => (claim, false),
                    Created::Exists(_) => return Ok(None),
                }
            }
        };
        // The run may have given the attempt up just before the claim.
        if transport.list(refs.folder())?.contains_key(&refs.outcome()) {
            return Ok(None);
        }
        let heartbeat = package.heartbeat;
        let (spec, worktree) = (package.spec, context.worktree_path(key.0, key.1));
        let node = Node {
            spec: AttemptSpec {
                worktree,
                reuse: None,
                session: None,
                ..spec
            },
            context,
            transport,
            refs,
            request: request.clone(),
            claim,
            facts: Vec::new(),
            warnings: Vec::new(),
            is_out_of_space: false,
            changes: 0,
            heartbeat,
            shown: Shown::new(),
        };
        Ok(Some((node, is_resumed, lock)))
    }
}

/// Fetches the package into the mirror.
fn fetch(request: &NodeRequest, refs: &RemoteRefs) -> Result<(Repo, Package), RemoteError> {
    let mirror = Mirror::open(&request.address, &request.user, request.package)?;
    Transport::new(&mirror.repo, &request.address).fetch(&[&refs.package()])?;
    let package = mirror.repo.with_store(|store| {
        let there = store
            .reference(&refs.package())
            .map_err(RemoteError::from)?;
        if there != Some(request.package) {
            return Err(RemoteError::Invalid {
                what: refs.package(),
                why: "it is another package than the one to carry out".to_owned(),
            });
        }
        Package::read(store, request.package)
    })?;
    if let Some((name, email)) = &package.user {
        mirror.set_user(name, email)?;
    }
    Ok((mirror.repo, package))
}

fn context(repo: Repo, package: &Package, clock: Clock) -> Result<Context, RemoteError> {
    let executor = LocalExecutor::this_program()
        .map_err(|error| EngineError::File("this program".to_owned(), error))?;
    Ok(Context::new(
        repo,
        package.run.clone(),
        package.plan()?,
        package.base,
        package.settings.clone(),
        Arc::new(executor),
        clock,
    ))
}

fn write_claim(
    context: &Context,
    request: &NodeRequest,
    key: AttemptKey,
) -> Result<Oid, RemoteError> {
    let token = files::draw_secret()
        .map_err(|error| EngineError::File("random numbers".to_owned(), error))?;
    let claim = Claim {
        protocol: PROTOCOL,
        package: request.package,
        host: request.host.clone(),
        pid: std::process::id(),
        token,
    };
    let trailers = context.trailers(key.0, key.1);
    context.repo.with_store(|store| {
        claim.write(&RecordCommit {
            store,
            time: context.clock.now(),
            subject: "Claim of an attempt",
            trailers: &trailers,
        })
    })
}
