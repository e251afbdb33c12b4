//! The images of an engine and of the registries that it can reach.

use std::collections::BTreeMap;

use longshore_driver_api::{Credential, Error, ErrorKind, ImageRef, Result};

use crate::{Image, Program};

/// Images by their full names, tag included.
#[derive(Debug)]
pub(crate) struct Images {
    present: BTreeMap<String, Stored>,
    registry: BTreeMap<String, Image>,
    /// What every image that nobody described is, if there are such.
    anything: Option<Image>,
    pulls: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Stored {
    image: Image,
    users: usize,
}

pub(crate) fn full_name(image: &ImageRef) -> String {
    image.clone().with_default_tag().to_string()
}

impl Images {
    pub(crate) fn new() -> Self {
        Self {
            present: BTreeMap::new(),
            registry: BTreeMap::new(),
            anything: Some(Image::new(Program::exit(0))),
            pulls: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, name: String, image: Image) {
        let users = self.present.get(&name).map_or(0, |stored| stored.users);
        self.present.insert(name, Stored { image, users });
    }

    /// Adds an image unless there is one of that name.
    pub(crate) fn add_missing(&mut self, name: &str, image: impl FnOnce() -> Image) {
        let fresh = || Stored { image: image(), users: 0 };
        self.present.entry(name.to_owned()).or_insert_with(fresh);
    }

    pub(crate) fn publish(&mut self, name: String, image: Image) {
        self.registry.insert(name, image);
    }

    pub(crate) fn set_anything(&mut self, image: Option<Image>) {
        self.anything = image;
    }

    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.present.remove(name).is_some()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Image> {
        self.present.get(name).map(|stored| &stored.image)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.present.keys().cloned().collect()
    }

    pub(crate) fn pulls(&self, name: &str) -> usize {
        self.pulls.get(name).copied().unwrap_or(0)
    }

    /// How many containers, from the answer that it is there until their closing, use an image.
    pub(crate) fn users(&self, name: &str) -> usize {
        self.present.get(name).map_or(0, |stored| stored.users)
    }

    /// Whether an image is there, for this platform.
    pub(crate) fn is_there(&self, name: &str, platform: Option<&str>) -> bool {
        self.get(name).is_some_and(|image| image.other_platform(platform).is_none())
    }

    pub(crate) fn hold(&mut self, name: &str) -> bool {
        let stored = self.present.get_mut(name);
        stored.map(|stored| stored.users += 1).is_some()
    }

    pub(crate) fn release(&mut self, name: &str) {
        if let Some(stored) = self.present.get_mut(name) {
            stored.users = stored.users.saturating_sub(1);
        }
    }

    pub(crate) fn pull(
        &mut self,
        name: &str,
        platform: Option<&str>,
        credential: Option<&Credential>,
    ) -> Result<()> {
        let fail = |kind, text: String| Err(Error::new(kind, "pull").message(text));
        let Some(image) = self.registry.get(name).or(self.anything.as_ref()) else {
            let text = format!("image {name:?} is in no registry: check its name");
            return fail(ErrorKind::ImageNotFound, text);
        };
        if image.credential.is_some() && image.credential.as_ref() != credential {
            let text = format!("image {name:?}: its registry wants another credential");
            return fail(ErrorKind::RegistryUnauthorized, text);
        }
        if let Some(other) = image.other_platform(platform) {
            let asked = platform.unwrap_or_default();
            let text = format!("image {name:?}: its registry has it for {other}, not for {asked}");
            return fail(ErrorKind::ImageNotFound, text);
        }
        let image = image.clone();
        *self.pulls.entry(name.to_owned()).or_default() += 1;
        self.add(name.to_owned(), image);
        Ok(())
    }
}
