# Golden numbers of tests/statistics/test_agreement_golden.py, from base R alone.
#   cd tests/golden && Rscript agreement.R
# Reads agreement_data.csv (dataset, subject, test, reference), writes agreement_r.csv (dataset,
# quantity, value). Where base R has a function it is called (t.test, wilcox.test, lm, confint, aov,
# qt, qf, p.adjust); Deming, Passing-Bablok and Lin's concordance are written here from their papers
# and share no code or algebra with qsr_jax (Deming's slope comes from eigenvectors, the ICCs from
# aov's table, Passing-Bablok from loops).

data <- read.csv("agreement_data.csv", stringsAsFactors = FALSE)
out <- data.frame(dataset = character(), quantity = character(), value = character())
put <- function(dataset, ...) {
  values <- c(...)
  out <<- rbind(out, data.frame(dataset = dataset, quantity = names(values),
                                value = sprintf("%.17g", unname(values))))
}

deming_line <- function(x, y, ratio) {          # y on x, ratio = var(error y) / var(error x)
  axis <- eigen(cov(cbind(x, y / sqrt(ratio))))$vectors[, 1]
  slope <- axis[2] / axis[1] * sqrt(ratio)
  c(slope, mean(y) - slope * mean(x))
}

deming <- function(x, y, ratio) {
  n <- length(x)
  whole <- deming_line(x, y, ratio)
  left <- sapply(seq_len(n), function(i) deming_line(x[-i], y[-i], ratio))
  pseudo <- n * whole - (n - 1) * left           # Linnet 1993
  se <- apply(pseudo, 1, sd) / sqrt(n)
  half <- qt(0.975, n - 2) * se
  c(slope = whole[1], slope_low = whole[1] - half[1], slope_high = whole[1] + half[1],
    intercept = whole[2], intercept_low = whole[2] - half[2], intercept_high = whole[2] + half[2])
}

passing_bablok <- function(x, y) {
  n <- length(x)
  slopes <- c()
  for (i in 1:(n - 1)) for (j in (i + 1):n) {
    dx <- x[i] - x[j]; dy <- y[i] - y[j]
    if (dx == 0 && dy == 0) next
    s <- if (dx == 0) Inf else dy / dx
    if (s == -1) next
    slopes <- c(slopes, s)
  }
  slopes <- sort(slopes); N <- length(slopes); K <- sum(slopes < -1)
  slope <- if (N %% 2) slopes[(N + 1) / 2 + K] else (slopes[N / 2 + K] + slopes[N / 2 + 1 + K]) / 2
  C <- qnorm(0.975) * sqrt(n * (n - 1) * (2 * n + 5) / 18)
  M1 <- round((N - C) / 2); M2 <- N - M1 + 1
  low <- slopes[M1 + K]; high <- slopes[M2 + K]
  intercept <- median(y - slope * x)
  residual <- (y - slope * x) - intercept
  above <- sum(residual > 0); below <- sum(residual < 0)
  score <- ifelse(residual > 0, sqrt(below / above), ifelse(residual < 0, -sqrt(above / below), 0))
  along <- (y + x / slope - intercept) / sqrt(1 + 1 / slope^2)
  path <- cumsum(score[order(along)])              # read behind points at one place of the line
  behind <- c(diff(sort(along)) > 1e-12 * max(abs(along)), TRUE)
  H <- max(abs(path[behind])) / sqrt(below + 1)
  k <- 1:200
  c(slope = slope, slope_low = low, slope_high = high, intercept = intercept,
    intercept_low = median(y - high * x), intercept_high = median(y - low * x),
    linearity_p = min(1, 2 * sum((-1)^(k - 1) * exp(-2 * k^2 * H^2))))
}

concordance <- function(x, y) {                  # Lin 1989, variance as corrected in 2000
  n <- length(x)
  vx <- var(x) * (n - 1) / n; vy <- var(y) * (n - 1) / n; cxy <- cov(x, y) * (n - 1) / n
  c0 <- 2 * cxy / (vx + vy + (mean(x) - mean(y))^2)
  r <- cor(x, y); u <- (mean(x) - mean(y)) / sqrt(sqrt(vx) * sqrt(vy))
  v <- ((1 - r^2) * c0^2 * (1 - c0^2) / r^2 + 2 * c0^3 * (1 - c0) * u^2 / r
        - 0.5 * c0^4 * u^4 / r^2) / (n - 2)
  half <- qnorm(0.975) * sqrt(v) / (1 - c0^2)
  c(value = c0, low = tanh(atanh(c0) - half), high = tanh(atanh(c0) + half))
}

icc <- function(x, y) {                          # McGraw and Wong 1996, Tables 4 and 7
  n <- length(x); k <- 2
  long <- data.frame(v = c(x, y), subject = factor(rep(seq_len(n), 2)), method = gl(2, n))
  ms <- summary(aov(v ~ subject + method, long))[[1]][["Mean Sq"]]
  R <- ms[1]; M <- ms[2]; E <- ms[3]
  f <- R / E; edge <- qf(0.975, n - 1, (n - 1) * (k - 1))
  FL <- f / edge; FU <- f * edge
  A <- (R - E) / (R + (k - 1) * E + k / n * (M - E))
  a <- k * A / (n * (1 - A)); b <- 1 + k * A * (n - 1) / (n * (1 - A))
  v <- (a * M + b * E)^2 / ((a * M)^2 / (k - 1) + (b * E)^2 / ((n - 1) * (k - 1)))
  F1 <- qf(0.975, n - 1, v); F2 <- qf(0.975, v, n - 1)
  c(consistency = (R - E) / (R + (k - 1) * E),
    consistency_low = (FL - 1) / (FL + k - 1), consistency_high = (FU - 1) / (FU + k - 1),
    agreement = A,
    agreement_low = n * (R - F1 * E) / (F1 * (k * M + (k * n - k - n) * E) + n * R),
    agreement_high = n * (F2 * R - E) / (k * M + (k * n - k - n) * E + n * F2 * R))
}

bland_altman <- function(d) {                    # exact limits: Carkeet 2015
  n <- length(d); z <- qnorm(0.975); se <- sd(d) / sqrt(n)
  far <- qt(c(0.025, 0.975), n - 1, ncp = z * sqrt(n)) * se
  ci <- t.test(d)$conf.int
  c(bias = mean(d), sd = sd(d), low = mean(d) - z * sd(d), high = mean(d) + z * sd(d),
    bias_low = ci[1], bias_high = ci[2], low_low = mean(d) - far[2], low_high = mean(d) - far[1],
    high_low = mean(d) + far[1], high_high = mean(d) + far[2])
}

prefix <- function(name, values) setNames(values, paste(name, names(values), sep = "."))

ps <- c()
for (name in unique(data$dataset)) {
  one <- data[data$dataset == name, ]
  x <- one$test; y <- one$reference; n <- length(x)
  t <- t.test(x, y, paired = TRUE)
  ps <- c(ps, t$p.value)
  put(name, prefix("paired_t", c(difference = unname(t$estimate), t = unname(t$statistic),
      p = t$p.value, low = t$conf.int[1], high = t$conf.int[2])))
  margin <- 0.05 * mean(y)
  # The margin in percent is of the true mean: test against 0.95 and 1.05 times the reference.
  above <- t.test(x - 0.95 * y, alternative = "greater")
  below <- t.test(x - 1.05 * y, alternative = "less")
  narrow <- t.test(x, y, paired = TRUE, conf.level = 0.90)$conf.int
  put(name, prefix("equivalence", c(margin = margin, p = max(above$p.value, below$p.value),
      low = narrow[1], high = narrow[2])))
  # Fieller's interval as the ratios that neither one-sided test rejects, found by bisection.
  edge <- function(k) 100 * (uniroot(function(r) t.test(x - r * y)$statistic - k * qt(0.95, n - 1),
      interval = mean(x) / mean(y) + c(-1, 1) * 0.4, tol = 1e-14)$root - 1)
  put(name, prefix("equivalence_percent", c(low = edge(1), high = edge(-1))))
  put(name, prefix("bland_altman", bland_altman(x - y)))
  put(name, prefix("bland_altman_percent", bland_altman(100 * (x - y) / ((x + y) / 2))))
  fit <- lm(x ~ y); ci <- confint(fit)
  put(name, prefix("regression", c(slope = unname(coef(fit)[2]), intercept = unname(coef(fit)[1]),
      r_squared = summary(fit)$r.squared, slope_low = ci[2, 1], slope_high = ci[2, 2],
      intercept_low = ci[1, 1], intercept_high = ci[1, 2])))
  d <- x - y; m <- (x + y) / 2; trend <- lm(d ~ m); ci <- confint(trend)
  put(name, prefix("proportional_bias", c(slope = unname(coef(trend)[2]),
      intercept = unname(coef(trend)[1]), p = summary(trend)$coefficients[2, 4],
      slope_low = ci[2, 1], slope_high = ci[2, 2])))
  whole <- signif(d, 9)                          # ties that rounding has torn apart are ties
  exact <- !any(duplicated(abs(whole))) && all(whole != 0) && n < 50
  w <- wilcox.test(whole, exact = exact, conf.int = exact)
  put(name, prefix("signed_rank", c(v = unname(w$statistic), p = w$p.value)))
  if (exact) put(name, prefix("signed_rank", c(pseudomedian = unname(w$estimate),
      low = w$conf.int[1], high = w$conf.int[2])))
  for (ratio in c(1, 2.5)) put(name, prefix(paste0("deming_", ratio), deming(y, x, ratio)))
  put(name, prefix("passing_bablok", passing_bablok(y, x)))
  put(name, prefix("concordance", concordance(x, y)))
  put(name, prefix("icc", icc(x, y)))
  put(name, prefix("variation", c(test = 100 * sd(x) / mean(x), reference = 100 * sd(y) / mean(y),
      between = mean(100 * apply(cbind(x, y), 1, sd) / m))))
}
put("all", setNames(ps, paste0("p.", seq_along(ps))))
put("all", setNames(p.adjust(ps, "holm"), paste0("holm.", seq_along(ps))))
put("all", setNames(p.adjust(ps, "BH"), paste0("benjamini_hochberg.", seq_along(ps))))
write.csv(out, "agreement_r.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, nrow(out), "numbers\n")
