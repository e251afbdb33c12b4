//! A source of namespaces that has one placeholder at a time, lends it, and counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use longshore_driver_api::{
    Chosen, Error, ErrorKind, LeastUsed, NamespaceLease, NamespaceRequest, NamespaceSource,
    Namespaces, NetworkMode, Placeholder, PlaceholderSpec, Placeholders, Result, WhenEmpty,
};
use tokio::sync::watch;

/// One placeholder, made when a task asks for it and there is none.
#[derive(Debug)]
pub(crate) struct Lender {
    placeholders: Arc<dyn Placeholders>,
    network: NetworkMode,
    books: Arc<Books>,
}

/// What a case sees of a lender, also after it was handed to a driver.
#[derive(Debug)]
pub(crate) struct Books {
    out: AtomicUsize,
    generation: AtomicU64,
    requests: Mutex<Vec<NamespaceRequest>>,
    made: tokio::sync::Mutex<Option<Arc<dyn Placeholder>>>,
    /// Why the placeholder that there is holds nothing any more.
    lost: Mutex<watch::Sender<Option<String>>>,
}

impl Lender {
    /// One whose placeholder is on this network.
    pub(crate) fn new(
        placeholders: Arc<dyn Placeholders>,
        network: NetworkMode,
        books: Arc<Books>,
    ) -> Self {
        Self { placeholders, network, books }
    }

    async fn placeholder(&self) -> Result<Arc<dyn Placeholder>> {
        let mut made = self.books.made.lock().await;
        if let Some(placeholder) = &*made {
            return Ok(Arc::clone(placeholder));
        }
        let spec = PlaceholderSpec::new("conformance-placeholder", self.network.clone());
        let placeholder = self.placeholders.make(&spec).await?;
        placeholder.start().await?;
        Ok(Arc::clone(made.insert(placeholder)))
    }
}

impl Books {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            out: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
            requests: Mutex::default(),
            made: tokio::sync::Mutex::default(),
            lost: Mutex::new(watch::Sender::new(None)),
        })
    }

    /// How many leases are out.
    pub(crate) fn out(&self) -> usize {
        self.out.load(Ordering::SeqCst)
    }

    /// What was asked for so far.
    pub(crate) fn requests(&self) -> Vec<NamespaceRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells those who have a lease that there is nothing behind it any more.
    pub(crate) fn lose(&self, why: &str) {
        self.lost().send_replace(Some(why.to_owned()));
    }

    /// Ends the placeholder and tells whoever has a lease of it. The next to ask gets another.
    pub(crate) async fn end(&self, why: &str) -> Result<()> {
        if let Some(placeholder) = self.made.lock().await.take() {
            placeholder.stop().await?;
        }
        self.lose(why);
        *self.lost() = watch::Sender::new(None);
        Ok(())
    }

    fn lost(&self) -> MutexGuard<'_, watch::Sender<Option<String>>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl NamespaceSource for Lender {
    async fn lease(&self, request: NamespaceRequest) -> Result<Option<Box<dyn NamespaceLease>>> {
        let books = &self.books;
        books.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let placeholder = self.placeholder().await?;
        let lent = books.out.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst);
        match (lent, request.when_empty) {
            (Ok(_), _) => Ok(Some(Box::new(Lent {
                namespaces: placeholder.namespaces().clone(),
                generation: books.generation.fetch_add(1, Ordering::SeqCst),
                lost: books.lost().subscribe(),
                books: Arc::clone(books),
            }))),
            (Err(_), Some(WhenEmpty::FallBack)) => Ok(None),
            (Err(_), _) => {
                Err(Error::new(ErrorKind::PoolEmpty, "lease").message("the only one is lent"))
            }
        }
    }

    fn own_network(&self) -> Option<Chosen> {
        LeastUsed::new([self.network.as_str()]).choose()
    }

    async fn close(&self) -> Result<()> {
        if let Some(placeholder) = self.books.made.lock().await.take() {
            placeholder.stop().await?;
        }
        self.placeholders.close().await
    }
}

/// The lease that is out.
#[derive(Debug)]
struct Lent {
    namespaces: Namespaces,
    generation: u64,
    lost: watch::Receiver<Option<String>>,
    books: Arc<Books>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.books.out.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl NamespaceLease for Lent {
    fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn lost(&self) -> Option<String> {
        self.lost.borrow().clone()
    }

    async fn until_lost(&self) -> String {
        let mut lost = self.lost.clone();
        loop {
            if let Some(why) = self.lost() {
                return why;
            }
            // The sender stays in the books until it has told something.
            let _ = lost.changed().await;
        }
    }
}
