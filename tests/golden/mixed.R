# Golden numbers of tests/statistics/test_mixed_model.py, from R's nlme (r-cran-nlme).
#   cd tests/golden && Rscript mixed.R
# Reads mixed_data.csv (12 subjects, 4 regions; missing marks rows the second fit goes without),
# writes mixed_r.csv (fit, region, quantity, value). Error variances differ between regions, subjects
# are random: lme(..., weights = varIdent). The library is nlme of R 4.2.2, none of this code is ours.

library(nlme)
data <- read.csv("mixed_data.csv", stringsAsFactors = FALSE)
data$difference <- data$test - data$reference
regions <- unique(data$region)
out <- data.frame()
put <- function(fit, region, quantity, value)
  out <<- rbind(out, data.frame(fit = fit, region = region, quantity = quantity,
                                value = sprintf("%.12g", value)))
for (name in c("balanced", "missing")) {
  rows <- if (name == "balanced") data else data[data$missing == 0, ]
  rows$region <- factor(rows$region, levels = regions)
  fit <- lme(difference ~ 0 + region, random = ~ 1 | subject, data = rows,
             weights = varIdent(form = ~ 1 | region),
             control = lmeControl(opt = "optim", maxIter = 1000, msMaxIter = 1000,
                                  tolerance = 1e-13, msTol = 1e-13, reltol = 1e-14))
  ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
  for (region in regions) {
    row <- paste0("region", region)
    put(name, region, "difference", fixef(fit)[[row]])
    put(name, region, "se", sqrt(diag(vcov(fit)))[[row]])
    put(name, region, "error_sd", fit$sigma * ratio[[region]])
  }
  w <- rep(0.25, 4)
  put(name, "all", "difference", sum(w * fixef(fit)))
  put(name, "all", "se", sqrt(drop(w %*% vcov(fit) %*% w)))
  put(name, "all", "subject_sd", as.numeric(VarCorr(fit)["(Intercept)", "StdDev"]))
}
write.csv(out, "mixed_r.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, nrow(out), "numbers\n")
