"""Prices of options (Black and Scholes, 1973, "The pricing of options and corporate liabilities"),
and how they depend on everything, by gradients.

    python -m examples.programs.black_scholes

Then finds by Newton's method which volatility a price means.
"""

from __future__ import annotations

import math

import weft

from ..common import command_line, progress


def normal_below(x):
    """The probability that a standard normal number is below x."""
    return (1 + weft.erf(x / math.sqrt(2))) / 2


def call_price(spot, strike, time, rate, volatility):
    """Of an option to buy at the strike after a time, by today's price of the share."""
    spread = volatility * weft.sqrt(time)
    ahead = (weft.log(spot / strike) + (rate + volatility**2 / 2) * time) / spread
    return spot * normal_below(ahead) - strike * weft.exp(-rate * time) * normal_below(
        ahead - spread
    )


def greeks(*option):
    """The price of one option, and its derivatives: delta, vega, theta, rho, and gamma."""
    price, (delta, to_time, rho, vega) = weft.value_and_grad(call_price, (0, 2, 3, 4))(*option)
    gamma = weft.grad(weft.grad(call_price))(*option)
    return {
        "price": price,
        "delta": delta,
        "vega": vega,
        "theta": -to_time,
        "rho": rho,
        "gamma": gamma,
    }


all_greeks = weft.jit(weft.vmap(greeks))


@weft.jit
def better_volatility(price, spot, strike, time, rate, volatility):
    """A step of Newton's method for each option, and the largest error left."""
    found = call_price(spot, strike, time, rate, volatility)
    vega = weft.vmap(weft.grad(call_price, 4))(spot, strike, time, rate, volatility)
    volatility = weft.clip(volatility - (found - price) / vega, 0.01, 5.0)
    return volatility, weft.max(weft.abs(found - price))


def some_options(count: int):
    """Their terms, float64 [count] each: spot, strike, time, rate, volatility."""
    ranges = ((80.0, 120.0), (80.0, 120.0), (0.25, 2.0), (0.0, 0.06), (0.1, 0.6))
    return [weft.random.uniform((count,), *ends, dtype=weft.float64) for ends in ranges]


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, steps=12, options=200_000)
    *terms, volatility = some_options(options.options)
    numbers = all_greeks(*terms, volatility)
    guess = weft.full_like(volatility, 0.3)
    with progress("implied volatility", options.steps) as report:
        for _ in range(options.steps):
            guess, error = better_volatility(numbers["price"], *terms, guess)
            report(error=error.item())
    names = ("delta", "gamma", "vega", "theta", "rho")
    means = ", ".join(f"{name} {numbers[name].mean().item():.3f}" for name in names)
    wrong = weft.abs(guess - volatility).median().item()
    print(f"{options.options:,} options, mean price {numbers['price'].mean().item():.3f}: {means}")
    print(f"Black-Scholes: implied volatilities are off by {wrong:.1e} in the middle")


if __name__ == "__main__":
    main()
