//! Images that are there, missing or refused.

use std::sync::Arc;

use longshore_driver_api::{ContainerExt as _, ErrorKind, ImageStatus, PullPolicy, Task};

use crate::Act;
use crate::tools::Counting;
use crate::trial::{Trial, built};
use crate::verdict::{Outcome, Stop};

pub(crate) async fn an_image_that_is_there_is_not_pulled(t: Trial) -> Outcome {
    for policy in [PullPolicy::Never, PullPolicy::Missing] {
        let hooks = Counting::new();
        let spec = built(t.spec(&Act::Exit(0)).pull(policy));
        let container = t.driver().container(Task::new(spec).hooks(Arc::clone(&hooks) as _))?;
        for _ in 0..2 {
            let status = t.ok("ask for the image", container.image_status()).await?;
            assert_eq!(status, ImageStatus::Present);
        }
        t.ok("ensure the image", container.ensure_image()).await?;
        assert_eq!((hooks.asked(), hooks.told()), (0, 0), "a registry was asked");
    }
    Ok(())
}

pub(crate) async fn a_missing_image_is_not_pulled_if_that_is_forbidden(t: Trial) -> Outcome {
    let hooks = Counting::new();
    let image = t.scene().missing;
    let spec = built(t.spec(&Act::Exit(0)).edit(|spec| spec.image.clone_from(&image)));
    let container = t.driver().container(Task::new(spec).hooks(Arc::clone(&hooks) as _))?;
    let status = t.ok("ask for the image", container.image_status()).await?;
    assert_eq!(status, ImageStatus::NeedsPull);
    let ensured = container.ensure_image();
    let error = t.fails(ErrorKind::ImageNotFound, "ensure the image", ensured).await?;
    assert!(error.to_string().contains(&image), "the image is not named: {error}");
    assert_eq!((hooks.asked(), hooks.told()), (0, 0), "a registry was asked");
    Ok(())
}

pub(crate) async fn a_pull_that_fails_names_the_image(t: Trial) -> Outcome {
    let hooks = Counting::new();
    let image = t.scene().missing;
    let spec = t.spec(&Act::Exit(0)).pull(PullPolicy::Missing);
    let spec = built(spec.edit(|spec| spec.image.clone_from(&image)));
    let container = t.driver().container(Task::new(spec).hooks(Arc::clone(&hooks) as _))?;
    if !t.caps().pull {
        t.fails(ErrorKind::Unsupported, "pull", container.pull_image()).await?;
        return Ok(());
    }
    let error = match t.done("ensure the image", container.ensure_image()).await? {
        Ok(()) => panic!("{image} is there"),
        Err(error) => error,
    };
    let kinds =
        [ErrorKind::ImageNotFound, ErrorKind::RegistryFailed, ErrorKind::RegistryUnauthorized];
    assert!(kinds.contains(&error.kind()), "{error} [{:?}]", error.kind());
    assert!(error.to_string().contains(&image), "the image is not named: {error}");
    assert!(hooks.asked() > 0, "the task was not asked for its credential");
    t.ok("close", container.close()).await?;
    Ok(())
}

pub(crate) async fn everybody_who_waits_for_a_pull_is_told(t: Trial) -> Outcome {
    let image = match t.scene().pullable {
        Some(image) => image,
        // The refusal is asserted with any.
        None if !t.caps().pull => t.scene().missing,
        None => {
            return Err(Stop::Skipped("the fixture has no image that can be pulled".to_owned()));
        }
    };
    let waiter = || {
        let hooks = Counting::new();
        let spec = t.spec(&Act::Exit(0)).pull(PullPolicy::Missing);
        let spec = built(spec.edit(|spec| spec.image.clone_from(&image)));
        let container = t.driver().container(Task::new(spec).hooks(Arc::clone(&hooks) as _))?;
        Ok::<_, Stop>((container, hooks))
    };
    let ((one, first), (two, second)) = (waiter()?, waiter()?);
    if !t.caps().pull {
        t.fails(ErrorKind::Unsupported, "pull", one.pull_image()).await?;
        return Ok(());
    }
    let (pulled, too) = tokio::join!(
        t.ok("pull", one.pull_image()),
        t.ok("pull the same at once", two.pull_image())
    );
    pulled?;
    too?;
    for hooks in [first, second] {
        let Some(last) = hooks.last() else { panic!("somebody was told nothing of the pull") };
        assert_eq!((last.layers_done, last.bytes_done), (last.layers, last.bytes), "{last:?}");
    }
    for container in [one, two] {
        let status = t.ok("ask for the image", container.image_status()).await?;
        assert_eq!(status, ImageStatus::Present);
        t.ok("close", container.close()).await?;
    }
    Ok(())
}

pub(crate) async fn an_image_for_another_platform_is_not_there(t: Trial) -> Outcome {
    // A platform that no image of a test is for.
    let other = "linux/mips64le";
    let spec = t.spec(&Act::Exit(0)).pull(PullPolicy::Never);
    let container = match t.driver().container(Task::new(built(spec.platform(other)))) {
        Ok(container) => container,
        // An engine that runs one platform alone may say so at once.
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("platform"), "{error}");
            return Ok(());
        }
    };
    let status = t.ok("ask for the image", container.image_status()).await?;
    assert_eq!(status, ImageStatus::NeedsPull);
    let ensured = container.ensure_image();
    let error = t.fails(ErrorKind::ImageNotFound, "ensure the image", ensured).await?;
    assert!(error.to_string().contains(other), "the platform is not named: {error}");
    t.ok("close", container.close()).await
}

pub(crate) async fn a_container_without_its_image_is_not_created(t: Trial) -> Outcome {
    let image = t.scene().missing;
    let spec = built(t.spec(&Act::Exit(0)).edit(|spec| spec.image.clone_from(&image)));
    let container = t.driver().container(Task::new(spec))?;
    match t.done("create", container.create()).await? {
        Ok(()) => panic!("a container of {image} was created"),
        Err(error) => assert!(
            [ErrorKind::Busy, ErrorKind::ImageNotFound].contains(&error.kind()),
            "{error} [{:?}]",
            error.kind()
        ),
    }
    assert_eq!(t.leftovers().await?, [""; 0]);
    Ok(())
}

pub(crate) async fn a_refused_image_is_refused_each_time(t: Trial) -> Outcome {
    let Some(image) = t.scene().rejected else {
        return Err(Stop::Skipped("the fixture has no image that is refused".to_owned()));
    };
    let spec = built(t.spec(&Act::Exit(0)).edit(|spec| spec.image.clone_from(&image)));
    let container = t.driver().container(Task::new(spec))?;
    for _ in 0..2 {
        let asked = container.image_status();
        let error = t.fails(ErrorKind::ImageRejected, "ask for the image", asked).await?;
        assert!(error.to_string().contains(&image), "the image is not named: {error}");
        t.fails(ErrorKind::ImageRejected, "create", container.create()).await?;
    }
    assert_eq!(t.leftovers().await?, [""; 0]);
    t.ok("close", container.close()).await?;
    Ok(())
}

pub(crate) async fn the_volumes_of_an_image_go_with_the_container(t: Trial) -> Outcome {
    let Some(image) = t.scene().with_volume else {
        return Err(Stop::Skipped("the fixture has no image with a volume".to_owned()));
    };
    let spec = built(t.spec(&Act::Exit(0)).edit(|spec| spec.image.clone_from(&image)));
    let exit = t.run(Task::new(spec)).await?;
    assert!(exit.is_success(), "{exit:?}");
    t.nothing_left().await
}
