//! The Docker Engine API, as far as the tools need it.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::http::{Endpoint, encode, is_silence};

/// The networks that an engine makes by itself.
pub(crate) const OWN_NETWORKS: [&str; 4] = ["bridge", "host", "none", "podman"];

/// An engine that answered.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) endpoint: Endpoint,
    /// Docker or Podman.
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) api: String,
}

impl Engine {
    /// Asks for the version: the first sign of life that also says what it is.
    pub(crate) fn connect(endpoint: Endpoint) -> Result<Engine> {
        let version = endpoint.get("/version")?.expect(&[200])?.json()?;
        let text = |key: &str| version[key].as_str().unwrap_or("unknown").to_owned();
        let parts = version["Components"].as_array().into_iter().flatten();
        let mut names = parts.filter_map(|part| part["Name"].as_str());
        let name = if names.any(|name| name.contains("Podman")) { "Podman" } else { "Docker" };
        Ok(Engine { name, version: text("Version"), api: text("ApiVersion"), endpoint })
    }

    /// Whether the engine's files, cgroups and processes are this machine's.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.endpoint, Endpoint::Unix(_))
    }

    pub(crate) fn get(&self, target: &str) -> Result<Value> {
        let first = self.endpoint.get(target);
        let answer = match first {
            // A machine that stands still for a while is no reason to give up a run of an hour.
            Err(error) if is_silence(&error) => {
                eprintln!("{error:#}: once more");
                self.endpoint.get(target)?
            }
            first => first?,
        };
        answer.expect(&[200])?.json()
    }

    pub(crate) fn info(&self) -> Result<Value> {
        self.get("/info")
    }

    /// A label of an image, or `None` if there is no such image or label.
    pub(crate) fn image_label(&self, image: &str, label: &str) -> Result<Option<String>> {
        let response = self.endpoint.get(&format!("/images/{image}/json"))?;
        if response.status == 404 {
            return Ok(None);
        }
        let image = response.expect(&[200])?.json()?;
        Ok(image["Config"]["Labels"][label].as_str().map(str::to_owned))
    }

    /// Makes an image of one layer from a tar archive; `changes` are lines of a Dockerfile.
    pub(crate) fn import(&self, image: &str, layer: &[u8], changes: &[String]) -> Result<()> {
        let (repo, tag) = image.rsplit_once(':').context("an image needs a tag here")?;
        let mut target =
            format!("/images/create?fromSrc=-&repo={}&tag={}", encode(repo), encode(tag));
        for change in changes {
            target += &format!("&changes={}", encode(change));
        }
        let headers = [("Content-Type", "application/x-tar")];
        let response = self.endpoint.request("POST", &target, &headers, layer)?;
        progress(&response.expect(&[200])?.body).with_context(|| format!("import {image}"))
    }

    /// Gives an image another name.
    pub(crate) fn tag(&self, image: &str, new: &str) -> Result<()> {
        let (repo, tag) = new.rsplit_once(':').context("an image needs a tag here")?;
        let target = format!("/images/{image}/tag?repo={}&tag={}", encode(repo), encode(tag));
        self.endpoint.request("POST", &target, &[], &[])?.expect(&[201])?;
        Ok(())
    }

    /// Removes one name of an image, and the image with its last name. Absent is success.
    pub(crate) fn remove_image(&self, image: &str) -> Result<()> {
        let target = format!("/images/{image}?force=1");
        self.endpoint.request("DELETE", &target, &[], &[])?.expect(&[200, 404])?;
        Ok(())
    }

    /// Removes every container, every network of a user and every volume. What cannot be removed
    /// keeps nothing else from it.
    ///
    /// # Errors
    /// All that could not be removed, or listed, with the reasons.
    pub(crate) fn clear(&self) -> Result<()> {
        let mut troubles = Vec::new();
        let mut delete = |targets: Result<Vec<String>>| match targets {
            Ok(targets) => {
                for target in targets {
                    let response = self.endpoint.request("DELETE", &target, &[], &[]);
                    if let Err(error) = response.and_then(|it| it.expect(&[200, 204, 404, 409])) {
                        troubles.push(format!("{target}: {error:#}"));
                    }
                }
            }
            Err(error) => troubles.push(format!("{error:#}")),
        };
        let container = |id: String| format!("/containers/{id}?force=1&v=1");
        delete(self.containers().map(|ids| ids.into_iter().map(container).collect()));
        let made = |name: &str| !OWN_NETWORKS.contains(&name);
        delete(self.networks().map(|all| {
            let networks = all.into_iter().filter(|(_, name)| made(name));
            networks.map(|(id, _)| format!("/networks/{id}")).collect()
        }));
        let volume = |name: String| format!("/volumes/{name}?force=1");
        delete(self.volumes().map(|names| names.into_iter().map(volume).collect()));
        if troubles.is_empty() {
            return Ok(());
        }
        bail!("{}", troubles.join("\n"))
    }

    /// The ids of all containers, running or not.
    pub(crate) fn containers(&self) -> Result<Vec<String>> {
        strings(&self.get("/containers/json?all=1")?, "Id")
    }

    /// The ids and names of all networks.
    pub(crate) fn networks(&self) -> Result<Vec<(String, String)>> {
        let networks = self.get("/networks")?;
        let ids = strings(&networks, "Id")?;
        Ok(ids.into_iter().zip(strings(&networks, "Name")?).collect())
    }

    pub(crate) fn volumes(&self) -> Result<Vec<String>> {
        strings(&self.get("/volumes")?["Volumes"], "Name")
    }
}

/// A progress stream says success by not saying `error`.
fn progress(lines: &[u8]) -> Result<()> {
    for line in serde_json::Deserializer::from_slice(lines).into_iter::<Value>() {
        if let Some(error) = line.context("read the progress")?["error"].as_str() {
            bail!("{error}");
        }
    }
    Ok(())
}

/// One text of every object in a list; the engine writes an empty list as `null`.
fn strings(list: &Value, key: &str) -> Result<Vec<String>> {
    let Some(list) = list.as_array() else {
        return Ok(Vec::new());
    };
    let text = |value: &Value| value[key].as_str().map(str::to_owned);
    let texts: Option<Vec<_>> = list.iter().map(text).collect();
    texts.with_context(|| format!("the engine's list lacks {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_progress_stream_is_an_error() {
        assert!(progress(b"{\"status\":\"a\"}\n{\"status\":\"b\"}\r\n").is_ok());
        let failed = progress(b"{\"status\":\"a\"}\n{\"error\":\"denied\"}\n");
        assert_eq!(failed.unwrap_err().to_string(), "denied");
        assert!(progress(b"{\"status\":\"a").is_err());
    }

    #[test]
    fn a_null_list_is_empty_and_a_missing_name_is_an_error() {
        assert!(strings(&Value::Null, "Id").unwrap().is_empty());
        let list = serde_json::json!([{"Id": "a"}, {"Id": "b"}]);
        assert_eq!(strings(&list, "Id").unwrap(), ["a", "b"]);
        assert!(strings(&list, "Name").is_err());
    }
}
