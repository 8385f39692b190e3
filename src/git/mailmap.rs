//! Mapped identities, as gitmailmap(5) says and gix reads it.

use super::handle::Handle;

/// The mailmap of a repository: `.mailmap` in the work tree, or at HEAD in a bare one, `mailmap.file` and `mailmap.blob`.
#[derive(Debug, Clone, Default)]
pub struct Mailmap {
    snapshot: gix::mailmap::Snapshot,
}

impl Mailmap {
    /// Reads the mailmap; entries that can't be read are left out, as git does.
    #[must_use]
    pub fn read(handle: &Handle) -> Self {
        Self { snapshot: handle.repo.open_mailmap() }
    }

    /// The name and email that `name` and `email` stand for, in whatever bytes they are.
    #[must_use]
    pub fn map(&self, name: &[u8], email: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let signature = gix::actor::SignatureRef { name: name.into(), email: email.into(), time: "0 +0000" };
        let resolved = self.snapshot.resolve_cow(signature);
        (resolved.name.to_vec(), resolved.email.to_vec())
    }
}
