//! One `SQLite` file: opening it safely, bringing its schema up to date, a pool of readers and one writer thread. Readers see the
//! last committed state and are never held up by the writer (WAL). Knows no table by name.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};
use parking_lot::{ReentrantMutex, ReentrantMutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::file_system;
pub use super::migration::Schema;
use super::migration::{Foreign, header_version, log_ahead, migrate, own_version, refuse_newer};
use crate::debug;
use crate::error::Kind;
use crate::panics;

/// How long a statement waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(30);
/// How long it is at most until a transaction that waits for another process's notices that nobody waits for it any more.
const NOTICE: Duration = Duration::from_millis(20);
/// Steps of `SQLite`'s machine after which a running statement notices the same: far less than a millisecond of them.
const STEPS: i32 = 1000;
/// How long it waits at first, until it is looked whether there are locks at all.
const SOON: Duration = Duration::from_millis(250);
/// The time between two tries to open a file that others are just making.
const PAUSE: Duration = Duration::from_millis(5);
/// Idle connections that are kept for the next reader.
const IDLE_READERS: usize = 4;
/// Transactions that may wait for the writer.
const QUEUED_WRITES: usize = 8;

/// Bytes of the file that are read through a mapping, as git reads its packs: a chain of pages then costs no call for each.
const MAPPED: i64 = 1 << 30;

/// Pages of the log after which a commit moves them to the main file (2 MiB). What is left of them at the close is what a run that is
/// being stopped has to wait for, and what the writer has moved meanwhile cost nobody's time.
const CHECKPOINT_PAGES: u32 = 128;

/// What the file system lets this process do with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    /// What somebody else keeps up to date can be read all the same.
    Read,
}

type Write = Box<dyn FnOnce(&mut Connection) + Send>;

/// An open database. Dropping it waits for the writer.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    schema: Schema,
    access: Access,
    // By its path another file may be opened later on: this one was removed, and there is a new one.
    file: FileId,
    // Of those that read there is always one, here, lent or held.
    idle: Mutex<Vec<Connection>>,
    // The last transaction that goes on.
    held: Mutex<Weak<Holding>>,
    // Whether something was written since that began.
    wrote: AtomicBool,
    returned: Condvar,
    writer: OnceLock<Writer>,
}

#[derive(Debug)]
struct Writer {
    jobs: Sender<Write>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs.close();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // A change that nobody waits for any more may be the last owner; the writer, which can't wait for its own end, then ends
            // after it.
            if thread.thread().id() != std::thread::current().id() {
                // Every job catches its own panic.
                let _ = thread.join();
            }
        }
    }
}

impl Database {
    /// Opens the file at `path`, making it (mode 0600) and its folder (0700) if need be, and migrates it. One that may not be written
    /// is opened for reading; then every write fails.
    ///
    /// # Errors
    /// [`Kind::CacheNewer`] if a newer version wrote it (the file is left untouched), [`Kind::Cache`] otherwise;
    /// [`is_damaged`] tells a broken file.
    pub fn open(path: &Path, schema: Schema) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            file_system::check_own(folder)?;
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|cause| Kind::Cache.wrap(cause, format!("making the cache folder {}", folder.display())))?;
        }
        refuse_newer(header_version(path, schema)?, schema, path)?;
        match Self::open_for(Access::Write, path, schema) {
            Err(cause) if is_forbidden(&cause) => {
                debug::warn("cache", || format!("{} can't be written, it is read as it is: {cause:#}", path.display()));
                Self::open_for(Access::Read, path, schema).map_err(|_| cause)
            }
            other => other,
        }
    }

    fn open_for(access: Access, path: &Path, schema: Schema) -> anyhow::Result<Self> {
        let failed = |cause: std::io::Error| Kind::Cache.wrap(cause, format!("opening the cache {}", path.display()));
        let begun = Instant::now();
        loop {
            let file = begin_file(access, path).map_err(failed)?;
            let (idle, held, returned) = (Mutex::default(), Mutex::default(), Condvar::new());
            let database = Self {
                path: path.to_owned(),
                schema,
                access,
                file,
                idle,
                held,
                wrote: AtomicBool::new(false),
                returned,
                writer: OnceLock::new(),
            };
            match database.connect() {
                Err(cause) if is_moved(&cause) && begun.elapsed() < BUSY => {}
                connection => {
                    database.keep(connection?);
                    debug::note("cache", || format!("opened {} in {:.3?}", path.display(), begun.elapsed()));
                    return Ok(database);
                }
            }
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything was written from here.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.writer.get().is_some()
    }

    fn connect(&self) -> anyhow::Result<Connection> {
        let open = || -> anyhow::Result<Connection> {
            let mut connection = match self.access {
                Access::Write => Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | NO_MUTEX)?,
                Access::Read => open_for_reading(&self.path)?,
            };
            connection.busy_timeout(SOON)?;
            // A plan that may depend on the values is made anew each time that they are bound: as long as most queries take.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            // Before the first page is read: what is mapped needs no room among SQLite's own pages.
            connection.pragma_update(None, "mmap_size", MAPPED)?;
            let version = own_version(&mut connection, self.schema);
            // Only now is the log open too. If the path has led to this file all the time, both belong together.
            anyhow::ensure!(FileId::at(&self.path)? == Some(self.file), Moved);
            let version = version?;
            refuse_newer(version, self.schema, &self.path)?;
            if version < self.schema.version() {
                let (from, to) = (version, self.schema.version());
                debug::note("cache", || format!("{}: from version {from} to {to}", self.path.display()));
                anyhow::ensure!(self.access == Access::Write, "it is of version {version}, and can't be written");
                migrate(&mut connection, self.schema, &self.path)?;
            } else if self.access == Access::Write {
                // Whoever looked whether it is in use, and was killed, has left it without a log.
                let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
                if mode == "delete" {
                    log_ahead(&connection)?;
                }
            }
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            connection.busy_timeout(BUSY)?;
            Ok(connection)
        };
        let patient = || {
            let begun = Instant::now();
            let mut has_locks = false;
            loop {
                match open() {
                    // To SQLite a lock that there is no such thing as is one that another holds.
                    Err(cause) if is_busy(&cause) && !has_locks && begun.elapsed() >= SOON => {
                        file_system::check_locks(self.path.parent().unwrap_or(Path::new(".")))?;
                        has_locks = true;
                    }
                    // Switching a new file to WAL fails at once, whatever the timeout, while another process does the same.
                    Err(cause) if is_busy(&cause) && begun.elapsed() < BUSY => std::thread::sleep(PAUSE),
                    other => return other,
                }
            }
        };
        patient().map_err(|cause| match crate::error::kind_of(&cause) {
            Kind::CacheNewer => cause,
            _ => Kind::Cache.wrap(cause, format!("opening the cache {}", self.path.display())),
        })
    }

    /// Whether it couldn't be opened, for that `cause`, since it isn't at its path any more.
    fn is_gone(&self, cause: &anyhow::Error) -> bool {
        is_moved(cause) || FileId::at(&self.path).is_ok_and(|there| there != Some(self.file))
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(connection);
            self.returned.notify_one();
        }
    }

    /// A connection to read with, given back when it is dropped.
    fn lend(&self) -> anyhow::Result<Lent<'_>> {
        let lent = |connection| Lent { database: self, connection: Some(connection) };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(lent(connection));
        }
        match self.connect() {
            // The file was removed meanwhile, by its path it can't be opened any more: those that are open have to do.
            Err(cause) if self.is_gone(&cause) && self.held().is_none() => {
                let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = self.returned.wait_timeout_while(idle, BUSY, |idle| idle.is_empty());
                let connection = waited.unwrap_or_else(PoisonError::into_inner).0.pop();
                connection.map(lent).ok_or(cause)
            }
            connection => Ok(lent(connection?)),
        }
    }

    /// Runs `query` in one read transaction: everything in it sees the same state. Blocks; call it on a worker.
    ///
    /// While a transaction is held, and nothing was written from here since it began, that is as good as another, which
    /// would have to be opened.
    ///
    /// # Errors
    /// Those of `query` and of opening a connection.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> anyhow::Result<T>) -> anyhow::Result<T> {
        if !self.wrote.load(Ordering::Acquire)
            && let Some(held) = self.held()
        {
            return query(&*held.connection()?);
        }
        let lent = match self.lend() {
            // One connection is left, and it is held.
            Err(cause) => match self.held() {
                Some(held) => return query(&*held.connection()?),
                None => return Err(cause),
            },
            Ok(lent) => lent,
        };
        let Some(connection) = &lent.connection else { return Err(Kind::Internal.error("a connection is missing")) };
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
        query(&transaction)
    }

    fn held(&self) -> Option<Arc<Holding>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// Begins a read transaction that goes on until it is dropped: everything that is read in it is of one state. Meanwhile the log can't be
    /// begun anew, so it should be short, or nobody writing. Blocks.
    ///
    /// # Errors
    /// Those of opening a connection.
    pub(super) fn hold(self: &Arc<Self>) -> anyhow::Result<Held> {
        let mut lent = self.lend()?;
        let Some(connection) = lent.connection.take() else {
            return Err(Kind::Internal.error("a connection is missing"));
        };
        let holding = Holding { database: Arc::clone(self), connection: Some(ReentrantMutex::new(connection)) };
        holding.connection()?.execute_batch("BEGIN DEFERRED")?;
        let holding = Arc::new(holding);
        self.wrote.store(false, Ordering::Release);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&holding);
        Ok(Held(holding))
    }

    /// Runs `change` as one transaction on the writer thread. It is committed only if `change` succeeds and somebody still waits:
    /// an error, a panic and a dropped future roll it back.
    ///
    /// # Errors
    /// Those of `change`, and of the database.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T> + Send + 'static,
    ) -> impl Future<Output = anyhow::Result<T>> + Send {
        self.write_within(BUSY, change)
    }

    /// As [`Self::write`], but an error while another process writes: what is only of use to later runs waits for none.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_if_free<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T> + Send + 'static,
    ) -> impl Future<Output = anyhow::Result<T>> + Send {
        self.write_within(Duration::ZERO, change)
    }

    fn write_within<T: Send + 'static>(
        &self,
        patience: Duration,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T> + Send + 'static,
    ) -> impl Future<Output = anyhow::Result<T>> + Send {
        // At once: a future that holds `change` is large, and so is all that awaits it.
        let job = self.job(patience, change);
        async move {
            let (job, pending) = job?;
            self.send(job).await?;
            pending.result().await
        }
    }

    /// As [`Self::write`], but returns once the transaction waits for its turn, so that other work goes on meanwhile.
    ///
    /// # Errors
    /// If the writer can't be started.
    pub async fn submit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<PendingWrite<T>> {
        self.submit_within(BUSY, change).await
    }

    /// As [`Self::submit`], but the transaction fails while another process writes.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_if_free<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<PendingWrite<T>> {
        self.submit_within(Duration::ZERO, change).await
    }

    async fn submit_within<T: Send + 'static>(
        &self,
        patience: Duration,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<PendingWrite<T>> {
        let (job, pending) = self.job(patience, change)?;
        self.send(job).await?;
        Ok(pending)
    }

    /// `change` as the writer runs it, and where it answers.
    fn job<T: Send + 'static>(
        &self,
        patience: Duration,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<(Write, PendingWrite<T>)> {
        if self.access == Access::Read {
            return Err(Kind::Cache.error(format!("{} can only be read", self.path.display())));
        }
        self.wrote.store(true, Ordering::Release);
        let (answer, answered) = async_channel::bounded(1);
        let job: Write = Box::new(move |connection| {
            let waiting = answer.clone();
            let outcome = in_transaction(connection, change, patience, move || waiting.is_closed());
            let _ = answer.try_send(outcome);
        });
        Ok((job, PendingWrite { answered }))
    }

    async fn send(&self, job: Write) -> anyhow::Result<()> {
        self.writer()?.jobs.send(job).await.map_err(|_| Kind::Cache.error("the cache's writer has ended"))
    }

    fn writer(&self) -> anyhow::Result<&Writer> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let mut connection = self.connect()?;
        connection.busy_timeout(NOTICE)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        let (jobs, queue) = async_channel::bounded::<Write>(QUEUED_WRITES);
        let work = move || serve(&mut connection, &queue);
        let thread = std::thread::Builder::new().name("cache-writer".into()).spawn(work)?;
        // Another thread may have been first; then this writer ends as its channel closes.
        Ok(self.writer.get_or_init(|| Writer { jobs, thread: Mutex::new(Some(thread)) }))
    }
}

/// A connection of the pool.
struct Lent<'a> {
    database: &'a Database,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.database.keep(connection);
        }
    }
}

/// A read transaction that goes on.
#[derive(Debug)]
pub(super) struct Held(Arc<Holding>);

impl Held {
    /// What it is read with.
    pub(super) fn connection(&self) -> anyhow::Result<ReentrantMutexGuard<'_, Connection>> {
        self.0.connection()
    }
}

/// The connection of a transaction that goes on; given back with the last who reads by it. Who reads by it may read more on the way.
#[derive(Debug)]
struct Holding {
    database: Arc<Database>,
    connection: Option<ReentrantMutex<Connection>>,
}

impl Holding {
    fn connection(&self) -> anyhow::Result<ReentrantMutexGuard<'_, Connection>> {
        let connection = self.connection.as_ref().map(ReentrantMutex::lock);
        connection.ok_or_else(|| Kind::Internal.error("a connection is missing"))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // One that can't be brought back to where it was is closed.
        if let Some(connection) = self.connection.take().map(ReentrantMutex::into_inner)
            && (connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok())
        {
            self.database.keep(connection);
        }
    }
}

/// Which file it is, whatever it is called: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    fn of(file: &fs::Metadata) -> Self {
        Self(file.dev(), file.ino())
    }

    /// That of the file at `path`, if there is one.
    fn at(path: &Path) -> std::io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(file) => Ok(Some(Self::of(&file))),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }
}

/// The file was removed or renamed while it was opened, or since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moved;

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it was removed meanwhile")
    }
}

impl std::error::Error for Moved {}

fn is_moved(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<Moved>().is_some())
}

/// Makes the file if need be and notes in its time that it is used. It must be closed before `SQLite` opens it: a process that closes a
/// file loses all its locks on it (fcntl(2)).
fn begin_file(access: Access, path: &Path) -> std::io::Result<FileId> {
    let writes = access == Access::Write;
    // SQLite makes its journals with the mode of the main file.
    let file = fs::OpenOptions::new().read(true).append(writes).create(writes).mode(0o600).open(path)?;
    if writes {
        // Without it another one is dropped first when room is needed.
        let _ = file.set_modified(SystemTime::now());
    }
    Ok(FileId::of(&file.metadata()?))
}

/// A transaction that was submitted. Dropping it rolls the transaction back, unless it was committed before.
#[derive(Debug)]
pub struct PendingWrite<T> {
    answered: Receiver<anyhow::Result<T>>,
}

impl<T> PendingWrite<T> {
    /// Waits until it is committed.
    ///
    /// # Errors
    /// Those of the change, and of the database.
    pub async fn result(self) -> anyhow::Result<T> {
        self.answered.recv().await.unwrap_or_else(|_| Err(Kind::Cache.error("the cache's writer has ended")))
    }
}

const NO_MUTEX: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// Without a log beside it nobody is writing, and none can be made here: then the file is read as it lies (`immutable`, "Write-Ahead
/// Logging", read-only databases). It may be replaced meanwhile, but not by this program, which appends to the log first.
pub(super) fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | NO_MUTEX;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        return Connection::open_with_flags(path, flags);
    }
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        // Every byte that means something in a URI, and all others that aren't plain.
        let plain = byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        if plain {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
}

/// Whether `error` says that the file system doesn't let us write: the file, or its folder, in which a log would have to be made.
pub(super) fn is_forbidden(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    error.chain().any(|cause| {
        let code = cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
            || matches!(kind, Some(PermissionDenied | ReadOnlyFilesystem))
    })
}

fn serve(connection: &mut Connection, queue: &Receiver<Write>) {
    while let Ok(job) = queue.recv_blocking() {
        job(connection);
    }
}

/// Runs `change` as one transaction, for whose turn it waits with `patience`. While a statement of it runs, it is looked now and then whether
/// it was `abandoned`.
fn in_transaction<T>(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T>,
    patience: Duration,
    abandoned: impl Fn() -> bool + Clone + Send + 'static,
) -> anyhow::Result<T> {
    connection.progress_handler(STEPS, Some(abandoned.clone()))?;
    let outcome = unless_abandoned(connection, change, patience, abandoned);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    outcome
}

fn unless_abandoned<T>(
    connection: &Connection,
    change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<T>,
    patience: Duration,
    abandoned: impl Fn() -> bool,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    let transaction = loop {
        if abandoned() {
            return Err(Kind::Cancelled.error("nobody waits for this transaction"));
        }
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(anyhow::Error::new) {
            Ok(transaction) => break transaction,
            Err(cause) if is_busy(&cause) && begun.elapsed() < patience => {}
            Err(cause) => return Err(Kind::Cache.wrap(cause, "beginning a transaction on the cache")),
        }
    };
    let outcome = panics::caught(|| change(&transaction))
        .unwrap_or_else(|_| Err(Kind::Internal.error("a transaction on the cache panicked")));
    // Dropping a transaction rolls it back.
    let value = outcome?;
    if abandoned() {
        return Err(Kind::Cancelled.error("nobody waits for this transaction"));
    }
    transaction.commit().map_err(|cause| Kind::Cache.wrap(cause, "committing to the cache"))?;
    Ok(value)
}

/// Runs `work` while no other connection to the file at `path` is open, in this process or another; `None` if there is one. Who comes
/// meanwhile waits. A file that is sound has no log then.
///
/// # Errors
/// Those of `work`, and if the file can't be opened.
pub(super) fn alone_with<T>(
    path: &Path,
    work: impl FnOnce(&Connection) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | NO_MUTEX)?;
    connection.busy_timeout(Duration::ZERO)?;
    let alone = || -> anyhow::Result<bool> {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // That a log can be done away with only by the last who has it open is how SQLite itself knows that it is the last.
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
        if mode != "delete" {
            return Ok(false);
        }
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        Ok(true)
    };
    match alone() {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(cause) if is_busy(&cause) => return Ok(None),
        Err(cause) => return Err(cause),
    }
    let done = work(&connection);
    if FileId::at(path).is_ok_and(|file| file.is_some()) {
        log_ahead(&connection)?;
    }
    done.map(Some)
}

pub(super) fn is_busy(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Looks through the file for damage.
pub(super) fn quick_check(reader: &Connection) -> anyhow::Result<()> {
    let answer: String = reader.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    anyhow::ensure!(answer == "ok", crate::graph::Damaged);
    Ok(())
}

/// The version of `SQLite` that is linked, as a text and as the number that it gives itself: 3 051 002 for 3.51.2.
#[must_use]
pub fn sqlite_version() -> (&'static str, i32) {
    (rusqlite::version(), rusqlite::version_number())
}

/// Whether `error` says that the file is not a sound database.
#[must_use]
pub fn is_damaged(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<crate::graph::Damaged>().is_some()
            || cause.downcast_ref::<Foreign>().is_some()
            || cause.downcast_ref::<FromSqlError>().is_some()
            || matches!(
                cause.downcast_ref(),
                Some(
                    rusqlite::Error::InvalidColumnType(..)
                        | rusqlite::Error::IntegralValueOutOfRange(..)
                        | rusqlite::Error::FromSqlConversionFailure(..)
                        | rusqlite::Error::Utf8Error(..)
                )
            )
            || matches!(
                cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            )
    })
}

#[cfg(test)]
mod tests;
