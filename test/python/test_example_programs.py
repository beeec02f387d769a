"""The programs of examples/programs beside NumPy, SciPy and what is known in closed form."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
from examples.programs import (
    black_scholes,
    gaussian_process,
    heat_and_waves,
    k_means,
    kalman_filter,
    mcmc,
    n_body,
)

WIDE = UNIT_ROUNDOFF["float64"]


def tensors(*arrays: np.ndarray) -> list[weft.Tensor]:
    return [weft.asarray(np.asarray(array)) for array in arrays]


# Kalman filter -------------------------------------------------------------------------------


def filtered(system: list[np.ndarray], mean: np.ndarray, spread: np.ndarray, found: np.ndarray):
    """One body's step as the textbook has it: the covariance is (1 - gain view) covariance."""
    motion, motion_noise, view, view_noise = system
    mean = motion @ mean
    spread = motion @ spread @ motion.T + motion_noise
    gain = scipy.linalg.solve(view @ spread @ view.T + view_noise, view @ spread).T
    mean = mean + gain @ (found - view @ mean)
    return mean, (np.eye(len(mean)) - gain @ view) @ spread


@pytest.mark.parametrize(("states", "measured"), [(1, 1), (4, 2), (3, 3), (5, 1)])
def test_kalman_filter_is_that_of_the_textbook(states: int, measured: int) -> None:
    random = np.random.default_rng(states)

    def positive(size: int) -> np.ndarray:
        root = random.standard_normal((size, size + 2))
        return (root @ root.T).astype(np.float32)

    motion = (random.standard_normal((states, states)) / states).astype(np.float32)
    view = random.standard_normal((measured, states)).astype(np.float32)
    system = [motion, positive(states), view, positive(measured)]
    mean, spread = np.zeros((7, states), np.float32), np.eye(states, dtype=np.float32)[None]
    spread = spread.repeat(7, 0)
    ours = tensors(mean, spread)
    theirs = [(m.astype(float), s.astype(float)) for m, s in zip(mean, spread, strict=True)]
    exact = [matrix.astype(float) for matrix in system]
    for _ in range(6):
        found = random.standard_normal((7, measured)).astype(np.float32)
        arguments = (kalman_filter.System(*tensors(*system)), *ours, weft.asarray(found))
        eager = kalman_filter.follow.__wrapped__(*arguments)
        ours = kalman_filter.follow(*arguments)
        assert_same_bits(list(ours), list(eager))
        theirs = [filtered(exact, *one, f.astype(float)) for one, f in zip(theirs, found)]
    condition = max(np.linalg.cond(m) for m in (exact[1], exact[3]))
    for kind, result in enumerate(ours):
        wanted = np.stack([one[kind] for one in theirs])
        bound = 16 * states * condition * UNIT_ROUNDOFF["float32"] * np.abs(wanted).max()
        np.testing.assert_allclose(result.numpy(), wanted, rtol=0, atol=bound)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_inverse_is_that_of_scipy(size: int) -> None:
    root = np.random.default_rng(0).standard_normal((3, size, size + 3))
    matrices = root @ root.swapaxes(1, 2)
    found = kalman_filter.inverse(weft.asarray(matrices)).numpy()
    for one, matrix in zip(found, matrices, strict=True):
        wanted = scipy.linalg.inv(matrix)
        bound = 4 * size * np.linalg.cond(matrix) * WIDE * np.abs(wanted).max()
        np.testing.assert_allclose(one, wanted, rtol=0, atol=bound)


# Black-Scholes -------------------------------------------------------------------------------


def closed_form(spot, strike, time, rate, volatility) -> dict[str, np.ndarray]:
    """Price and greeks as textbooks have them."""
    normal = scipy.stats.norm
    spread = volatility * np.sqrt(time)
    one = (np.log(spot / strike) + (rate + volatility**2 / 2) * time) / spread
    two, paid = one - spread, strike * np.exp(-rate * time)
    decay = spot * normal.pdf(one) * volatility / (2 * np.sqrt(time))
    return {
        "price": spot * normal.cdf(one) - paid * normal.cdf(two),
        "delta": normal.cdf(one),
        "vega": spot * normal.pdf(one) * np.sqrt(time),
        "theta": -decay - rate * paid * normal.cdf(two),
        "rho": paid * time * normal.cdf(two),
        "gamma": normal.pdf(one) / (spot * spread),
    }


def test_greeks_are_those_in_closed_form() -> None:
    weft.manual_seed(0)
    options = black_scholes.some_options(200)
    found = black_scholes.all_greeks(*options)
    wanted = closed_form(*(option.numpy() for option in options))
    assert set(found) == set(wanted)
    for name, values in found.items():
        # Differences of numbers as large as the share's price, divided by spreads of 0.05 and more.
        bound = 64 * WIDE * max(np.abs(wanted[name]).max(), 120.0)
        np.testing.assert_allclose(values.numpy(), wanted[name], rtol=64 * WIDE, atol=bound)
    one = black_scholes.greeks(*(option[7] for option in options))
    assert_same_bits([one[name] for name in wanted], [found[name][7] for name in wanted])


def test_implied_volatility_gives_the_price_again() -> None:
    weft.manual_seed(1)
    *terms, volatility = black_scholes.some_options(50)
    price = black_scholes.call_price(*terms, volatility)
    guess = weft.full_like(volatility, 0.3)
    for _ in range(30):
        guess, error = black_scholes.better_volatility(price, *terms, guess)
    assert error.item() < 1e-8
    again = closed_form(*(term.numpy() for term in terms), guess.numpy())["price"]
    np.testing.assert_allclose(again, price.numpy(), rtol=0, atol=1e-8)


# N-body --------------------------------------------------------------------------------------


def pulls(places: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Star by star."""
    result = np.zeros_like(places)
    for one in range(len(places)):
        for other in range(len(places)):
            away = places[other] - places[one]
            result[one] += masses[other] * away / (away @ away + n_body.SOFTENING**2) ** 1.5
    return result


@pytest.mark.parametrize("dimensions", [2, 3])
def test_stars_move_as_in_numpy(dimensions: int) -> None:
    random = np.random.default_rng(0)
    places, speeds = random.standard_normal((2, 12, dimensions))
    masses = random.uniform(0.01, 0.1, 12)
    ours = tensors(places, speeds)
    for _ in range(20):
        eager = n_body.leap.__wrapped__(*ours, weft.asarray(masses), 0.01)
        ours = n_body.leap(*ours, weft.asarray(masses), 0.01)
        assert_same_bits(list(ours), list(eager))
        speeds = speeds + 0.005 * pulls(places, masses)
        places = places + 0.01 * speeds
        speeds = speeds + 0.005 * pulls(places, masses)
    # Pulls of 1 / SOFTENING ** 2 at most are differences of places times that.
    bound = 20 * 12 * WIDE / n_body.SOFTENING**2
    for found, wanted in zip(ours, (places, speeds), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=bound)


def test_energy_and_momentum_are_kept() -> None:
    """The error of the energy is of the second order in the time of a step: a quarter for half."""
    changes = []
    for steps, time in ((200, 0.02), (400, 0.01)):
        places, speeds, masses = n_body.disc(40, 0)
        start = n_body.energy(places, speeds, masses).item()
        momentum = (masses[:, None] * speeds).sum(0).numpy()
        for _ in range(steps):
            places, speeds = n_body.leap(places, speeds, masses, time)
        changes.append(abs(n_body.energy(places, speeds, masses).item() - start))
        after = (masses[:, None] * speeds).sum(0).numpy()
        np.testing.assert_allclose(after, momentum, rtol=0, atol=steps * 40 * WIDE)
    assert changes[0] < 1e-4
    assert changes[1] < changes[0] / 2


# Heat and waves ------------------------------------------------------------------------------


def test_fields_change_as_in_numpy() -> None:
    random = np.random.default_rng(0)
    field, former = random.standard_normal((2, 7, 7))
    wide = np.pad(field, 1)
    laplacian = np.array(
        [
            [
                wide[i - 1, j] + wide[i + 1, j] + wide[i, j - 1] + wide[i, j + 1] - 4 * wide[i, j]
                for j in range(1, 8)
            ]
            for i in range(1, 8)
        ]
    )
    found = heat_and_waves.heat_step(weft.asarray(field), 0.5, 0.01)
    np.testing.assert_allclose(found.numpy(), field + 0.01 * laplacian / 0.25, rtol=1e-14)
    found, kept = heat_and_waves.wave_step(*tensors(field, former), 0.5, 0.1)
    wanted = 2 * field - former + 0.01 * laplacian / 0.25
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(kept.numpy(), field)


def test_errors_are_of_the_second_order() -> None:
    """At the same time a grid of half the spacing has a quarter of the error, for both."""
    coarse = heat_and_waves.errors(19, 40)
    heat_fine, _ = heat_and_waves.errors(39, 160)
    _, wave_fine = heat_and_waves.errors(39, 80)
    assert coarse[0] / heat_fine == pytest.approx(4, rel=0.05)
    assert coarse[1] / wave_fine == pytest.approx(4, rel=0.3)
    assert max(heat_fine, wave_fine) < 2e-3


# Monte Carlo ---------------------------------------------------------------------------------


def test_chains_have_the_moments_of_the_distribution() -> None:
    """A normal distribution of two dependent numbers: mean and covariance within four standard
    errors of as many independent draws as there are chains, for the last places of all chains."""
    mean, covariance = np.array([1.0, -2.0]), np.array([[1.0, 0.6], [0.6, 0.8]])
    center, precision = tensors(mean, np.linalg.inv(covariance))

    def log_density(place: weft.Tensor) -> weft.Tensor:
        return -((place - center) @ precision @ (place - center)) / 2

    weft.manual_seed(5)
    step, chains = mcmc.sampler(log_density), 4000
    places, shares = weft.zeros(chains, 2, dtype=weft.float64), []
    for _ in range(30):
        places, moved = step(places, 0.25)
        shares.append(moved.item())
    assert 0.9 < np.mean(shares) < 1
    drawn = places.numpy()
    errors = np.sqrt(np.diag(covariance) / chains)
    assert (np.abs(drawn.mean(0) - mean) < 4 * errors).all()
    diagonal = np.diag(covariance)
    spread = np.sqrt((np.outer(diagonal, diagonal) + covariance**2) / chains)
    assert (np.abs(np.cov(drawn.T) - covariance) < 4 * spread).all()


def test_acceptance_makes_large_leaps_right() -> None:
    """Of leaps that are too long many are refused, and what is drawn is still right."""
    weft.manual_seed(6)
    step = mcmc.sampler(lambda place: -(place**2).sum() / 2, leaps=3)
    places, shares = weft.zeros(4000, 1), []
    for _ in range(60):
        places, moved = step(places, 1.5)
        shares.append(moved.item())
    assert np.mean(shares) < 0.95
    assert abs(places.numpy().var() - 1) < 4 * math.sqrt(2 / 4000)


def test_density_of_regression_is_that_of_numpy() -> None:
    random = np.random.default_rng(0)
    features, weights = random.standard_normal((9, 3)), random.standard_normal(3)
    labels = np.where(random.random(9) < 0.5, -1.0, 1.0)
    found = mcmc.regression(*tensors(features, labels))(weft.asarray(weights)).item()
    likely = np.log(1 / (1 + np.exp(-labels * (features @ weights))))
    assert found == pytest.approx(likely.sum() - weights @ weights / 2, rel=1e-13)


# k-means -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "groups", "dimensions"), [(60, 4, 2), (9, 9, 3), (5, 1, 1)])
def test_centers_move_as_in_numpy(count: int, groups: int, dimensions: int) -> None:
    random = np.random.default_rng(count)
    points = random.standard_normal((count, dimensions))
    points, centers = points.astype(np.float32), points[:groups].astype(np.float32)
    ours = weft.asarray(centers)
    for _ in range(5):
        found = k_means.improved(weft.asarray(points), ours)
        assert_same_bits(
            list(found), list(k_means.improved.__wrapped__(weft.asarray(points), ours))
        )
        distances = ((points[:, None].astype(float) - ours.numpy()) ** 2).sum(-1)
        nearest = distances.argmin(1)
        np.testing.assert_array_equal(found[1].numpy(), nearest)
        for group in range(groups):
            members = points[nearest == group].astype(float)
            wanted = members.mean(0) if len(members) else ours.numpy()[group]
            bound = 4 * count * UNIT_ROUNDOFF["float32"] * np.abs(points).max()
            np.testing.assert_allclose(found[0].numpy()[group], wanted, rtol=0, atol=bound)
        assert found[2].item() == pytest.approx(distances.min(1).mean(), rel=1e-5)
        ours = found[0]


def test_a_center_without_points_stays() -> None:
    points, centers = tensors(np.zeros((3, 2), np.float32), np.array([[1, 0], [9, 9]], np.float32))
    found, nearest, _ = k_means.improved(points, centers)
    assert found.tolist() == [[0, 0], [9, 9]]
    assert nearest.tolist() == [0, 0, 0]


def test_starts_are_points_far_from_each_other() -> None:
    weft.manual_seed(0)
    corners = np.array([[0, 0], [100, 0], [0, 100], [100, 100]], np.float32)
    points = corners.repeat(25, 0) + np.random.default_rng(0).random((100, 2), np.float32)
    starts = k_means.first_centers(weft.asarray(points), 4).numpy()
    assert {tuple(start) for start in starts // 50} == {(0, 0), (0, 2), (2, 0), (2, 2)}
    assert all((points == start).all(1).any() for start in starts)


# Gaussian process ----------------------------------------------------------------------------


def measurements(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(count)
    x = random.uniform(-2, 2, count)
    return np.array([0.2, -0.7, -1.5]), x, np.sin(3 * x) + 0.1 * random.standard_normal(count)


def covariance(logs: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    away = (x[:, None] - y) / np.exp(logs[1])
    return np.exp(2 * logs[0]) * np.exp(-(away**2) / 2)


@pytest.mark.parametrize("count", [1, 8, 40])
def test_prediction_is_that_of_a_direct_solution(count: int) -> None:
    logs, x, y = measurements(count)
    new = np.linspace(-2.5, 2.5, 11)
    found = gaussian_process.predict(*tensors(logs, x, y, new), steps=3 * count)
    matrix = covariance(logs, x, x) + np.exp(2 * logs[2]) * np.eye(count)
    between = covariance(logs, x, new)
    solved = scipy.linalg.solve(matrix, np.column_stack([y, between]), assume_a="pos")
    mean = between.T @ solved[:, 0]
    variance = np.exp(2 * logs[0]) - (between * solved[:, 1:]).sum(0)
    bound = 16 * count * np.linalg.cond(matrix) * WIDE * np.abs(y).max()
    np.testing.assert_allclose(found[0].numpy(), mean, rtol=0, atol=bound)
    np.testing.assert_allclose(found[1].numpy() ** 2, variance, rtol=0, atol=bound)


def test_gradient_is_that_of_the_likelihood() -> None:
    """With all signs of four points as probes the trace is exact: the gradient is that of
    -log p(y), by differences."""
    logs, x, y = measurements(4)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, 16)
    slope = weft.jit(weft.grad(gaussian_process.surrogate), static_argnums=4)
    found = slope(*tensors(logs, x, y, signs), 12).numpy()

    def unlikeliness(logs: np.ndarray) -> float:
        matrix = covariance(logs, x, x) + np.exp(2 * logs[2]) * np.eye(4)
        return -scipy.stats.multivariate_normal(np.zeros(4), matrix).logpdf(y)

    for place in range(3):
        aside = np.eye(3)[place] * 1e-5
        slope = (unlikeliness(logs + aside) - unlikeliness(logs - aside)) / 2e-5
        assert found[place] == pytest.approx(slope, rel=1e-6, abs=1e-7)
